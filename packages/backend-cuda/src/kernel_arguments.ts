import type { TensorInfo } from '@tensorflow/tfjs-core';

/** Types of kernel parameters: `int`, `unsigned`, `float`, `double`, `long long`, and a pointer. */
export type ArgumentType = 'int32' | 'uint32' | 'float32' | 'float64' | 'int64' | 'pointer';

/** A number with its parameter type. */
export interface KernelArgument {
  type: ArgumentType;
  value: number;
}

const argument =
  (type: ArgumentType) =>
  (value: number): KernelArgument => ({ type, value });

/** An `int` parameter. */
export const int32 = argument('int32');
/** An `unsigned` parameter. */
export const uint32 = argument('uint32');
/** A `float` parameter. */
export const float32 = argument('float32');
/** A `double` parameter. */
export const float64 = argument('float64');
/** A `long long` parameter; `value` is an integer below 2⁵³. */
export const int64 = argument('int64');
/** A parameter of any pointer type: an address of {@link CudaBackend.pointer}, plus an offset in bytes. */
export const pointer = argument('pointer');

/** Packs each argument into 8 bytes, and returns the bytes and the offsets. */
export function packArguments(
  args: readonly (TensorInfo | KernelArgument)[],
  addressOf: (tensor: TensorInfo) => number,
): { bytes: Uint8Array; offsets: Float64Array } {
  const view = new DataView(new ArrayBuffer(8 * args.length));
  const offsets = new Float64Array(args.length);
  for (const [i, given] of args.entries()) {
    const offset = 8 * i;
    const { type, value } = 'dataId' in given ? pointer(addressOf(given)) : given;
    if (type === 'float32') view.setFloat32(offset, value, true);
    else if (type === 'float64') view.setFloat64(offset, value, true);
    else if (type === 'int32') view.setInt32(offset, value, true);
    else if (type === 'uint32') view.setUint32(offset, value, true);
    else view.setBigInt64(offset, BigInt(value), true);
    offsets[i] = offset;
  }
  return { bytes: new Uint8Array(view.buffer), offsets };
}
