/** Scalar types that a parameter struct may have: C++'s `int`, `uint`, `float` and `ulong` in a shader. */
export type ParamType = 'int32' | 'uint32' | 'float32' | 'uint64';

/** A field of a shader's parameter struct. */
export interface Param {
  /** Scalar type of the field. */
  type: ParamType;
  /** Its value. */
  value: number;
}

const param =
  (type: ParamType) =>
  (value: number): Param => ({ type, value });

/** A field `int`. */
export const int32 = param('int32');
/** A field `uint`. */
export const uint32 = param('uint32');
/** A field `float`. */
export const float32 = param('float32');
/** A field `ulong`, for offsets and strides; `value` is an integer below 2⁵³. */
export const uint64 = param('uint64');

const MAX_BYTES = 4096; // what Metal's setBytes takes
const bytes = new Uint8Array(MAX_BYTES);
const view = new DataView(bytes.buffer);

/** The struct that C++ lays out for `params`, in memory that the next call overwrites. */
export function packParams(params: readonly Param[]): Uint8Array {
  bytes.fill(0, 0, 8 * params.length); // what lies between fields, too
  let offset = 0;
  let alignment = 4;
  for (const { type, value } of params) {
    if (type === 'uint64') {
      alignment = 8;
      offset = Math.ceil(offset / 8) * 8;
      view.setBigUint64(offset, BigInt(value), true);
      offset += 8;
      continue;
    }
    if (type === 'float32') view.setFloat32(offset, value, true);
    else if (type === 'int32') view.setInt32(offset, value, true);
    else view.setUint32(offset, value, true);
    offset += 4;
  }
  return bytes.subarray(0, Math.ceil(offset / alignment) * alignment);
}
