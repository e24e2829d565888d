import type { ElementStorage } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import type { DataType, FillAttrs, RangeAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { sizeOf } from '../shapes.ts';
import { isNumericType, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

interface FillSpec {
  dtype: DataType;
  storage?: ElementStorage;
  start: number;
  step?: number;
}

/** Fills a tensor with start, start + step, … */
export function fillWith(backend: DeviceBackend, output: TensorInfo, start: number, step = 0): void {
  const size = sizeOf(output.shape);
  if (size > 0) backend.launches.fill(backend, { output, size, start, step });
}

function makeFilled(
  backend: DeviceBackend,
  shape: number[],
  { dtype, storage, start, step }: FillSpec,
): TensorInfo | undefined {
  if (!isNumericType(dtype) || sizeOf(shape) >= backend.launches.limits.size) return undefined;
  const output = makeTensor(backend, shape, dtype, storage);
  fillWith(backend, output, start, step);
  return output;
}

const fill = tfjsKernel<object, FillAttrs>('Fill', ({ attrs: { shape, value, dtype }, backend }) =>
  typeof value === 'string'
    ? undefined
    : makeFilled(backend, shape, { dtype: dtype || util.inferDtype(value), start: value }),
);

const filledLike = (kernelName: string, start: number): TfjsKernel =>
  tfjsKernel<{ x: TensorInfo }, object>(kernelName, ({ inputs: { x }, backend }) =>
    makeFilled(backend, x.shape, { dtype: x.dtype, storage: backend.elementStorageOf(x.dataId), start }),
  );

const range = tfjsKernel<object, RangeAttrs>('Range', ({ attrs: { start, stop, step, dtype }, backend }) => {
  // tfjs's rules: a range that never reaches `stop` is empty, and a default step of 1 counts down if stop < start.
  const isEmpty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
  const length = isEmpty ? 0 : Math.abs(Math.ceil((stop - start) / step));
  const stride = stop < start && step === 1 ? -1 : step;
  if (dtype === 'int32' && !(Number.isInteger(start) && Number.isInteger(stride))) return undefined;
  return makeFilled(backend, [length], { dtype, start, step: stride });
});

export const fillKernels: readonly TfjsKernel[] = [
  fill,
  filledLike('ZerosLike', 0),
  filledLike('OnesLike', 1),
  range,
];
