import type { StorageType } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';

/** Numbers of element types, as in kernels/cuda/common/element_type.h. */
const ELEMENT_TYPES = { float32: 0, float16: 1, bfloat16: 2, int32: 3, bool: 4 } as const;

/** The number of a tensor's element type. */
export function elementType(dtype: TensorInfo['dtype'], storage: StorageType): number {
  if (dtype === 'float32') return ELEMENT_TYPES[storage];
  return dtype === 'int32' ? ELEMENT_TYPES.int32 : ELEMENT_TYPES.bool;
}
