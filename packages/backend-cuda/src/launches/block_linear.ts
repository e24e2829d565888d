import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { env } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { CUBLASLT_FLAG, TF32_FLAG } from './matmul.ts';

const launcher = operation(
  'blockLinear',
  ['x', 'weight', 'bias?', 'output'],
  paramsTable('BlockLinearParams', {
    rows: 'int64',
    columns: 'int64',
    depth: 'int64',
    allowTf32: 'bool',
    allowCublaslt: 'bool',
  }),
  ['weight'],
);

/** `output = x · weightᵀ + bias` for a weight in a block type. */
export function blockLinear(
  backend: CudaBackend,
  tensors: { x: TensorInfo; weight: TensorInfo; bias: TensorInfo | undefined; output: TensorInfo },
): void {
  const [columns, depth] = tensors.weight.shape;
  backend.run(launcher, tensors, {
    rows: sizeOf(tensors.x.shape.slice(0, -1)),
    columns,
    depth,
    allowTf32: env().getBool(TF32_FLAG),
    allowCublaslt: env().getBool(CUBLASLT_FLAG),
  });
}
