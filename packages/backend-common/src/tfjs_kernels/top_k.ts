import type { TopKAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import type { NumericType } from '../numeric_type.ts';
import { rowsOf } from './rows.ts';
import { makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const topK = tfjsKernel<{ x: TensorInfo }, TopKAttrs>('TopK', ({ inputs: { x }, attrs: { k }, backend }) => {
  const { launches } = backend;
  const source = rowsOf(backend, x);
  if (!source || k < 1 || k > Math.min(launches.limits.topK, source.length)) return undefined;
  const shape = [...x.shape.slice(0, -1), k];
  const values = makeTensor(backend, shape, x.dtype as NumericType, backend.elementStorageOf(x.dataId));
  const indices = makeTensor(backend, shape, 'int32');
  launches.topK(backend, { ...source, values, indices, k });
  return [values, indices];
});

export const topKKernels: readonly TfjsKernel[] = [topK];
