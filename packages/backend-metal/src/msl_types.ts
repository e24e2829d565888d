import type { ElementStorage } from '@attention-js/core';

/** The type of a storage type in the Metal Shading Language and in the names of our functions. */
export const MSL_TYPES: Readonly<Record<ElementStorage, string>> = {
  float32: 'float',
  float16: 'half',
  bfloat16: 'bfloat',
};
