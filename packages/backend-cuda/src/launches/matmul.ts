import { paramsTable } from '@attention-js/backend-common';
import type { MatMulLaunch } from '@attention-js/backend-common';
import { env } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

/** The most batch axes that kernels support, as in matmul.h. */
export const MAX_BATCH_RANK = 4;

/** Allows float32 products to round operands to TF32 if that is faster. Default false. */
export const TF32_FLAG = 'CUDA_ALLOW_TF32';

/** Uses cuBLASLt for large products if it is installed. Default true, false with ATTENTION_CUBLASLT=0. */
export const CUBLASLT_FLAG = 'CUDA_USE_CUBLASLT';

env().registerFlag(TF32_FLAG, () => false);
env().registerFlag(CUBLASLT_FLAG, () => process.env.ATTENTION_CUBLASLT !== '0');

/** One number per batch axis. */
const BATCH_AXES = 'int64[4]';

const launcher = operation(
  'matmul',
  ['a', 'b', 'bias?', 'output'],
  paramsTable('MatmulParams', {
    batchRank: 'int32',
    batchShape: BATCH_AXES,
    aBatchStrides: BATCH_AXES,
    bBatchStrides: BATCH_AXES,
    rows: 'int64',
    columns: 'int64',
    depth: 'int64',
    transposeA: 'bool',
    transposeB: 'bool',
    biasPerColumn: 'bool',
    activation: 'int32',
    slope: 'float32',
    allowTf32: 'bool',
    allowCublaslt: 'bool',
  }),
);

export function matMul(backend: CudaBackend, launch: MatMulLaunch): void {
  const { a, b, bias, output, batch, rows, columns, depth, transposeA, transposeB, activation, slope } =
    launch;
  backend.run(
    launcher,
    { a, b, bias, output },
    {
      batchRank: batch.shape.length,
      batchShape: batch.shape,
      aBatchStrides: batch.strides[0],
      bBatchStrides: batch.strides[1],
      rows,
      columns,
      depth,
      transposeA,
      transposeB,
      biasPerColumn: launch.biasStride === 1,
      activation,
      slope,
      allowTf32: env().getBool(TF32_FLAG),
      allowCublaslt: env().getBool(CUBLASLT_FLAG),
    },
  );
}
