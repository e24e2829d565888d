import type { StorageType } from '@attention-js/core';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, int32 } from '../params.ts';
import type { Param } from '../params.ts';

/** dtypes that shaders work on. */
export type NumericType = 'float32' | 'int32' | 'bool';

/** Values of the shaders' function constants for element types; as in element.h. */
const FLOAT_TYPES: Readonly<Record<StorageType, number>> = { float32: 0, float16: 1, bfloat16: 2 };
const INT_TYPE = 3;
const BOOL_TYPE = 4;

/** Whether all of `tensors` have one of these dtypes: shaders take no text and no complex numbers. */
export function haveType(tensors: readonly TensorInfo[], ...dtypes: NumericType[]): boolean {
  return tensors.every(({ dtype }) => (dtypes as DataType[]).includes(dtype));
}

/** Whether `tensors` are of one dtype that shaders work on. */
export function haveOneNumericType(...tensors: TensorInfo[]): boolean {
  const [{ dtype }] = tensors;
  return tensors.every((tensor) => tensor.dtype === dtype) && haveType(tensors, 'float32', 'int32', 'bool');
}

/** What the shaders' function constants call the type of a tensor's elements. */
export function elementType(backend: MetalBackend, { dtype, dataId }: TensorInfo): number {
  if (dtype === 'float32') return FLOAT_TYPES[backend.storageOf(dataId)];
  return dtype === 'int32' ? INT_TYPE : BOOL_TYPE;
}

/** Bytes of an element of `tensor`. */
export function elementBytes(backend: MetalBackend, { dtype, dataId }: TensorInfo): 1 | 2 | 4 {
  if (dtype === 'bool') return 1;
  return dtype === 'float32' && backend.storageOf(dataId) !== 'float32' ? 2 : 4;
}

/** The type that a shader computes a tensor in, and the end of its functions' names. */
export function computeType({ dtype }: TensorInfo): 'float' | 'int' {
  return dtype === 'float32' ? 'float' : 'int';
}

/**
 * The storage type of a result of several float32 tensors, by PyTorch's promotion: scalars do not widen tensors, and
 * float16 with bfloat16 gives float32.
 */
export function promotedStorage(backend: MetalBackend, ...tensors: TensorInfo[]): StorageType {
  const floats = tensors.filter(({ dtype }) => dtype === 'float32');
  const deciding = floats.some(({ shape }) => shape.length > 0)
    ? floats.filter(({ shape }) => shape.length > 0)
    : floats;
  const [first = 'float32', ...others] = deciding.map(({ dataId }) => backend.storageOf(dataId));
  return others.every((storage) => storage === first) ? first : 'float32';
}

/** A tensor that is yet to be written, of float32 in `storage`. */
export function makeTensor(
  backend: MetalBackend,
  shape: number[],
  dtype: NumericType,
  storage: StorageType = 'float32',
): TensorInfo {
  // bool is no dtype of our own ops, but the backend holds it all the same.
  return backend.makeOutput({
    shape,
    dtype: dtype as 'float32' | 'int32',
    storage: dtype === 'float32' ? storage : 'float32',
  });
}

/** Fields for a constant that a shader needs as a float and as an int. */
export function scalarParams(value: number): { float: Param; int: Param } {
  return { float: float32(value), int: int32(Number.isFinite(value) ? Math.trunc(value) : 0) };
}
