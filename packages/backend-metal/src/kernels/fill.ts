import type { StorageType } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import type { DataType, FillAttrs, RangeAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementType, haveType, makeTensor, scalarParams } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

interface Sequence {
  dtype: DataType;
  storage?: StorageType;
  start: number;
  step?: number;
}

function fill(
  backend: MetalBackend,
  shape: number[],
  { dtype, storage, start, step = 0 }: Sequence,
): TensorInfo | undefined {
  const size = sizeOf(shape);
  if (!['float32', 'int32', 'bool'].includes(dtype) || size >= MAX_SIZE) return undefined;
  const output = makeTensor(backend, shape, dtype as NumericType, storage);
  const [first, increment] = [scalarParams(start), scalarParams(step)];
  backend.dispatch({
    shader: 'fill',
    function: 'fill',
    constants: { output_type: elementType(backend, output) },
    buffers: [output],
    params: [first.float, increment.float, first.int, increment.int, uint32(size)],
    ...stridedGrid(size, 16),
  });
  return output;
}

tfjsKernel<object, FillAttrs>('Fill', ({ attrs: { shape, value, dtype }, backend }) =>
  typeof value === 'string'
    ? undefined
    : fill(backend, shape, { dtype: dtype || util.inferDtype(value), start: value }),
);

for (const [kernelName, start] of [
  ['ZerosLike', 0],
  ['OnesLike', 1],
] as const) {
  tfjsKernel<{ x: TensorInfo }, object>(kernelName, ({ inputs: { x }, backend }) =>
    haveType([x], 'float32', 'int32', 'bool')
      ? fill(backend, x.shape, { dtype: x.dtype, storage: backend.storageOf(x.dataId), start })
      : undefined,
  );
}

tfjsKernel<object, RangeAttrs>('Range', ({ attrs: { start, stop, step, dtype }, backend }) => {
  // tfjs's own rules: what cannot be reached is empty, and a step left at 1 leads down where stop is below start.
  const isEmpty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
  const length = isEmpty ? 0 : Math.abs(Math.ceil((stop - start) / step));
  const stride = stop < start && step === 1 ? -1 : step;
  if (dtype === 'int32' && !(Number.isInteger(start) && Number.isInteger(stride))) return undefined;
  return fill(backend, [length], { dtype, start, step: stride });
});
