import type { MatMulLaunch } from '@attention-js/backend-common';
import { env } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';

/** Axes of a batch that the kernels walk. */
export const MAX_BATCH_RANK = 4;

/** Lets products of float32 operands round them to TF32 where that is faster; false by default. */
const TF32_FLAG = 'CUDA_ALLOW_TF32';

/** Leaves large products to cuBLASLt where it is found; true by default, but with ATTENTION_CUBLASLT=0. */
export const CUBLASLT_FLAG = 'CUDA_USE_CUBLASLT';

env().registerFlag(TF32_FLAG, () => false);
env().registerFlag(CUBLASLT_FLAG, () => process.env.ATTENTION_CUBLASLT !== '0');

const NO_AXES = new Float64Array(0);

const toArgument = (axes: readonly number[]): Float64Array =>
  axes.length > 0 ? new Float64Array(axes) : NO_AXES;

export function matMul(backend: CudaBackend, launch: MatMulLaunch): void {
  const { shape, strides } = launch.batch;
  backend.run('matmul', [
    launch.a,
    launch.b,
    launch.bias,
    launch.output,
    toArgument(shape),
    toArgument(strides[0]),
    toArgument(strides[1]),
    launch.rows,
    launch.columns,
    launch.depth,
    launch.transposeA,
    launch.transposeB,
    launch.biasStride === 1,
    launch.activation,
    launch.slope,
    env().getBool(TF32_FLAG),
    env().getBool(CUBLASLT_FLAG),
  ]);
}
