/** The most axes that kernels support, as in strides.h. */
export const MAX_RANK = 6;

/** One number per axis. */
export const AXES = 'int64[6]';
