import type { NumericDataType, TopKAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementType, makeTensor } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { groupThreads } from './reduce.ts';
import { rowsOf } from './rows.ts';

/** The shader passes over a row once for each of the k; beyond this the host sorts. */
const MAX_K = 64;

tfjsKernel<{ x: TensorInfo }, TopKAttrs>('TopK', ({ inputs: { x }, attrs: { k }, backend }) => {
  const source = rowsOf(x);
  if (!source || k < 1 || k > Math.min(MAX_K, source.length)) return undefined;
  const shape = [...x.shape.slice(0, -1), k];
  const dtype = x.dtype as NumericDataType as NumericType;
  const values = makeTensor(backend, shape, dtype, backend.storageOf(x.dataId));
  const indices = makeTensor(backend, shape, 'int32');
  backend.dispatch({
    shader: 'top_k',
    function: 'top_k',
    constants: { x_type: elementType(backend, x) },
    buffers: [x, values, indices],
    params: [uint32(source.length), uint32(k)],
    threadgroups: [source.rows, 1, 1],
    threads: [groupThreads(source.length), 1, 1],
  });
  return [values, indices];
});
