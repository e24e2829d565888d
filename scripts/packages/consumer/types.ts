// Compiled, never run: the types that a user of the packages sees.
import { AttentionError, defineOp, pagedAttention } from '@attention-js/core';
import type { AttentionErrorCode, OpKernel, StorageType } from '@attention-js/core';
import { cudaKernel, uint32 } from '@attention-js/backend-cuda';
import { metalKernel, paramsTable, shaderKernel } from '@attention-js/backend-metal';
import * as tf from '@attention-js/core/tf';
import * as tfjs from '@attention-js/core/tfjs';
import * as llm from '@attention-js/llm';

type IsAny<T> = 0 extends 1 & T ? true : false;
type Same<A, B> = [IsAny<A>, A, B] extends [IsAny<B>, B, A] ? true : false;
function expectType<Expected>() {
  return <Actual>(_value: Actual, ..._same: Same<Expected, Actual> extends true ? [] : [never]) => {};
}

const x = tf.tensor2d([[1, 2]]);
expectType<tf.Tensor2D>()(x);
expectType<tf.Tensor>()(tf.siluAndMul(x).add(1).matMul(x));
expectType<tf.Tensor3D>()(x.as3D(1, 1, 2));
expectType<typeof pagedAttention>()(tf.pagedAttention);
expectType<StorageType>()(tf.storageOf(x));
expectType<AttentionErrorCode>()(new AttentionError('ERR_SHAPE', 'text').code);
expectType<typeof AttentionError>()(llm.AttentionError);
// @ts-expect-error expectType tells types apart
expectType<tf.Tensor3D>()(x);
// @ts-expect-error and finds `any`
expectType<tf.Tensor>()(JSON.parse(''));

// @ts-expect-error an op takes tensors only
tf.siluAndMul([1, 2]);
// @ts-expect-error a method of tensors is typed
x.matMul();
// @ts-expect-error no such code
export const refused = new AttentionError('ERR_NOTHING', 'text');

const double = defineOp({
  name: 'Double',
  outputs: ({ input }: { input: tf.TensorInfo }, _attrs: { by: number }) => [
    { shape: input.shape, dtype: 'float32' as const },
  ],
});
expectType<tf.Tensor[]>()(double({ input: x }, { by: 2 }));
expectType<OpKernel<{ input: tf.TensorInfo }, { by: number }>>()({} as Parameters<typeof double.kernel>[1]);
// @ts-expect-error the attribute is missing
double({ input: x }, {});

expectType<tfjs.Sequential>()(tfjs.sequential());
expectType<typeof pagedAttention>()(tfjs.pagedAttention);
expectType<tfjs.Tensor>()(tfjs.siluAndMul(tfjs.ones([1, 2])).add(1));

const shader = shaderKernel(
  { shader: 'double', function: 'f', source: 'source' },
  ['input', 'output'],
  paramsTable('DoubleParams', { by: 'float32' }),
);
metalKernel(double, ({ inputs: { input }, attrs: { by }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const size = { threadgroups: [1, 1, 1], threads: [1, 1, 1] } as const;
  backend.run(shader, { input, output }, { by }, size);
  // @ts-expect-error a tensor is missing
  backend.run(shader, { input }, { by }, size);
  // @ts-expect-error no such parameter
  backend.run(shader, { input, output }, { factor: by }, size);
  return [output];
});

cudaKernel(double, ({ inputs: { input }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const launch = { grid: 1, block: 256, args: [input, output, uint32(2)] };
  backend.loadModule(new Uint8Array()).launch('f', launch);
  return [output];
});
