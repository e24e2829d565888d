import type { OneHotAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import { float32, uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementType, haveType, makeTensor } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

tfjsKernel<{ indices: TensorInfo }, OneHotAttrs>('OneHot', ({ inputs: { indices }, attrs, backend }) => {
  const { depth, onValue, offValue, dtype } = attrs;
  const shape = [...indices.shape, depth];
  const size = sizeOf(shape);
  const isServed = haveType([indices], 'int32') && ['float32', 'int32', 'bool'].includes(dtype);
  if (!isServed || size >= MAX_SIZE) return undefined;
  const output = makeTensor(backend, shape, dtype as NumericType);
  backend.dispatch({
    shader: 'one_hot',
    function: 'one_hot',
    constants: { output_type: elementType(backend, output) },
    buffers: [indices, output],
    params: [uint32(depth), uint32(size), float32(onValue), float32(offValue)],
    ...stridedGrid(size, 8),
  });
  return output;
});
