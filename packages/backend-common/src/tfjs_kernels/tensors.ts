import type { ElementStorage } from '@attention-js/core';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import type { NumericType } from '../numeric_type.ts';

const NUMERIC: readonly DataType[] = ['float32', 'int32', 'bool'] satisfies NumericType[];

/** Whether device kernels support this dtype. */
export function isNumericType(dtype: DataType): dtype is NumericType {
  return NUMERIC.includes(dtype);
}

/** Whether device kernels support `x`: they take neither strings nor complex numbers. */
export function isNumeric(x: TensorInfo): x is TensorInfo & { dtype: NumericType } {
  return isNumericType(x.dtype);
}

/** Whether each tensor has one of these dtypes. */
export function haveType(tensors: readonly TensorInfo[], ...dtypes: NumericType[]): boolean {
  return tensors.every(({ dtype }) => (dtypes as DataType[]).includes(dtype));
}

/** Whether all tensors have the same dtype, and device kernels support it. */
export function haveOneNumericType(...tensors: TensorInfo[]): boolean {
  const [{ dtype }] = tensors;
  return tensors.every((tensor) => tensor.dtype === dtype) && isNumericType(dtype);
}

/**
 * The storage type of a result of several float32 tensors, by PyTorch's promotion rules: scalars do not widen tensors,
 * and float16 with bfloat16 gives float32.
 */
export function promotedStorage(backend: DeviceBackend, ...tensors: TensorInfo[]): ElementStorage {
  const floats = tensors.filter(({ dtype }) => dtype === 'float32');
  const deciding = floats.some(({ shape }) => shape.length > 0)
    ? floats.filter(({ shape }) => shape.length > 0)
    : floats;
  const [first = 'float32', ...others] = deciding.map(({ dataId }) => backend.elementStorageOf(dataId));
  return others.every((storage) => storage === first) ? first : 'float32';
}

/** Makes an uninitialized tensor; if it is float32, in `storage`. */
export function makeTensor(
  backend: DeviceBackend,
  shape: number[],
  dtype: NumericType,
  storage: ElementStorage = 'float32',
): TensorInfo {
  // OutputSpec has no bool because our own ops have none, but the backend supports it.
  return backend.makeOutput({
    shape,
    dtype: dtype as 'float32' | 'int32',
    storage: dtype === 'float32' ? storage : 'float32',
  });
}
