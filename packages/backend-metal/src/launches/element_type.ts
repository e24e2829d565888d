import { elementType } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';

/** The number of a tensor's element type in function constants. */
export function elementTypeOf(backend: MetalBackend, { dtype, dataId }: TensorInfo): number {
  return elementType(dtype, backend.elementStorageOf(dataId));
}

/** Bytes per element of a tensor. */
export function elementBytes(backend: MetalBackend, { dtype, dataId }: TensorInfo): 1 | 2 | 4 {
  if (dtype === 'bool') return 1;
  return dtype === 'float32' && backend.elementStorageOf(dataId) !== 'float32' ? 2 : 4;
}

/** The type in which shaders compute with a tensor, and the suffix of their functions. */
export function computeType({ dtype }: TensorInfo): 'float' | 'int' {
  return dtype === 'float32' ? 'float' : 'int';
}
