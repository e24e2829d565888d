/** dtypes that kernels of a device work on. */
export type NumericType = 'float32' | 'int32' | 'bool';
