/** The dtypes that device kernels support. */
export type NumericType = 'float32' | 'int32' | 'bool';
