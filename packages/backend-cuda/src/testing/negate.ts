import * as tf from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';
import { uint32 } from '../kernel_arguments.ts';

const PTX = `
.version 7.0
.target sm_75
.address_size 64
.visible .entry negate(.param .u64 from, .param .u64 to, .param .u32 size) {
  .reg .b32 %r<6>;
  .reg .b64 %d<6>;
  .reg .f32 %f<3>;
  .reg .pred %p;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  ld.param.u32 %r5, [size];
  setp.ge.u32 %p, %r4, %r5;
  @%p ret;
  mul.wide.u32 %d1, %r4, 4;
  ld.param.u64 %d2, [from];
  ld.param.u64 %d3, [to];
  add.u64 %d4, %d2, %d1;
  add.u64 %d5, %d3, %d1;
  ld.global.f32 %f1, [%d4];
  neg.f32 %f2, %f1;
  st.global.f32 [%d5], %f2;
  ret;
}
`;

/** A module with the kernel `negate`. */
export const negateImage = new TextEncoder().encode(PTX);

/** Computes −x of a float32 tensor on the active backend with a user-defined kernel. */
export function negate(x: tf.Tensor): tf.Tensor {
  const backend = tf.engine().backend as CudaBackend;
  const output = backend.makeOutput({ shape: x.shape, dtype: 'float32' });
  const args = [x, output, uint32(x.size)];
  backend.loadModule(negateImage).launch('negate', { grid: Math.ceil(x.size / 32), block: 32, args });
  return tf.engine().makeTensorFromTensorInfo(output);
}
