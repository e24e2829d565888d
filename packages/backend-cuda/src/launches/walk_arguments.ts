import type { Walk } from '@attention-js/backend-common';

/** As in strides.h. */
export const MAX_RANK = 6;

/** The shape of a walk, then the strides of each tensor. */
export function walkArguments({ shape, strides }: Walk): Float64Array[] {
  return [shape, ...strides].map((axes) => new Float64Array(axes));
}
