/** Most axes that kernels walk, as in strides.h. */
export const MAX_RANK = 6;

/** A number for each axis. */
export const AXES = 'int64[6]';
