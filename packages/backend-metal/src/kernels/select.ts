import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import {
  computeType,
  elementType,
  haveOneNumericType,
  haveType,
  makeTensor,
  promotedStorage,
} from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

tfjsKernel<{ condition: TensorInfo; t: TensorInfo; e: TensorInfo }, object>(
  'Select',
  ({ inputs: { condition, t, e }, backend }) => {
    const size = sizeOf(t.shape);
    const conditions = sizeOf(condition.shape);
    const isServed = haveType([condition], 'bool') && haveOneNumericType(t, e) && sizeOf(e.shape) === size;
    const decidesRows = conditions === size || (condition.shape.length === 1 && conditions === t.shape[0]);
    if (!isServed || !decidesRows || size >= MAX_SIZE) return undefined;
    const dtype = t.dtype as NumericType;
    const output = makeTensor(backend, t.shape, dtype, promotedStorage(backend, t, e));
    backend.dispatch({
      shader: 'select',
      function: `select_${computeType(t)}`,
      constants: {
        t_type: elementType(backend, t),
        e_type: elementType(backend, e),
        output_type: elementType(backend, output),
      },
      buffers: [condition, t, e, output],
      params: [uint32(size), uint32(size / Math.max(1, conditions))],
      ...stridedGrid(size, 8),
    });
    return output;
  },
);
