import type { StorageType } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';

/** Values of the shaders' function constants for element types; as in element.h. */
const FLOAT_TYPES: Readonly<Record<StorageType, number>> = { float32: 0, float16: 1, bfloat16: 2 };
const INT_TYPE = 3;
const BOOL_TYPE = 4;

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
