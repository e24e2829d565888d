/**
 * Error codes:
 *
 * - `ERR_SHAPE`: a rank, shape or size does not fit.
 * - `ERR_DTYPE`: a dtype or storage type does not fit, or a value is of the wrong kind.
 * - `ERR_RANGE`: a value lies outside its range, e.g. a slot outside the cache.
 * - `ERR_OUT_OF_BLOCKS`: the KV cache has no free block left.
 * - `ERR_OUT_OF_MEMORY`: the device has no memory left.
 * - `ERR_ADDON_MISSING`: the native addon of a backend cannot be loaded.
 * - `ERR_NO_DRIVER`, `ERR_DRIVER_TOO_OLD`, `ERR_NO_DEVICE`, `ERR_ARCH`: the device of a backend cannot be used.
 * - `ERR_DEVICE`: the device reported a fault.
 * - `ERR_DISPOSED`: a tensor or a cache was used after its disposal.
 * - `ERR_UNSUPPORTED`: a valid request that this backend or version does not serve.
 */
export type AttentionErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_RANGE'
  | 'ERR_OUT_OF_BLOCKS'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_ADDON_MISSING'
  | 'ERR_NO_DRIVER'
  | 'ERR_DRIVER_TOO_OLD'
  | 'ERR_NO_DEVICE'
  | 'ERR_ARCH'
  | 'ERR_DEVICE'
  | 'ERR_DISPOSED'
  | 'ERR_UNSUPPORTED';

/** The one error class of attention.js: {@link AttentionErrorCode | `code`} for programs, `message` for people. */
export class AttentionError extends Error {
  readonly code: AttentionErrorCode;

  constructor(code: AttentionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AttentionError';
    this.code = code;
  }
}
