import { elementType } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';

/** The number by which the shaders' function constants call the type of a tensor's elements. */
export function elementTypeOf(backend: MetalBackend, { dtype, dataId }: TensorInfo): number {
  return elementType(dtype, backend.elementStorageOf(dataId));
}

/** Bytes of an element of `tensor`. */
export function elementBytes(backend: MetalBackend, { dtype, dataId }: TensorInfo): 1 | 2 | 4 {
  if (dtype === 'bool') return 1;
  return dtype === 'float32' && backend.elementStorageOf(dataId) !== 'float32' ? 2 : 4;
}

/** The type that a shader computes a tensor in, and the end of its functions' names. */
export function computeType({ dtype }: TensorInfo): 'float' | 'int' {
  return dtype === 'float32' ? 'float' : 'int';
}
