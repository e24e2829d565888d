import { AttentionError, BYTES_PER_ELEMENT, decodeStorageBytes } from '@attention-js/core';
import type { StorageType } from '@attention-js/core';
import type { backend_util, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { isDeviceView } from './device_memory.ts';
import type { DeviceBuffer, DeviceMemory } from './device_memory.ts';

type BackendValues = backend_util.BackendValues;
type NumericType = 'float32' | 'int32' | 'bool';

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

function isNumeric(dtype: DataType): dtype is NumericType {
  return dtype in arrayTypes;
}

/** Bytes of a tensor's element as it is stored. */
export function elementBytes(dtype: NumericType, storage: StorageType): number {
  return dtype === 'float32' ? BYTES_PER_ELEMENT[storage] : arrayTypes[dtype].BYTES_PER_ELEMENT;
}

/**
 * The data behind a data id. tfjs's `cpu` kernels read `values` and `complexTensorInfos`; shaders take `buffer()`. Values
 * that a `cpu` kernel made stay in the memory of JavaScript until a shader wants them.
 */
export class TensorData {
  readonly dtype: DataType;
  readonly storage: StorageType;
  refCount = 1;
  /** The parts of a complex tensor, which has no data of its own. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  readonly #memory: DeviceMemory;
  #holders = 1;
  #values: BackendValues | undefined;
  #buffer: DeviceBuffer | undefined;

  private constructor(memory: DeviceMemory, dtype: DataType, storage: StorageType) {
    this.#memory = memory;
    this.dtype = dtype;
    this.storage = storage;
  }

  /** Data in a buffer of its own, of undefined content. */
  static inBuffer(memory: DeviceMemory, dtype: DataType, size: number, storage: StorageType): TensorData {
    const data = new TensorData(memory, dtype, storage);
    data.#buffer = memory.allocate(size * elementBytes(dtype as NumericType, storage));
    return data;
  }

  /** Data that takes over `values`; a view of a buffer is copied, since it ends with the buffer. */
  static ofValues(memory: DeviceMemory, dtype: DataType, values: BackendValues | undefined): TensorData {
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = ArrayBuffer.isView(values) && isDeviceView(values) ? values.slice() : values;
    return data;
  }

  /** Data with a copy of `values`, which the caller goes on to own. */
  static copyOf(memory: DeviceMemory, dtype: DataType, values: BackendValues): TensorData {
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = values;
    if (isNumeric(dtype)) data.buffer();
    return data;
  }

  /** Bytes in the memory of JavaScript. */
  get hostBytes(): number {
    return ArrayBuffer.isView(this.#values) && !this.#buffer ? this.#values.byteLength : 0;
  }

  /** The elements: of float32, int32 and bool the memory itself, of narrower storage types a widened copy. */
  get values(): BackendValues | undefined {
    const buffer = this.#buffer;
    if (!buffer) return this.#values;
    this.#memory.waitFor(buffer);
    if (this.storage !== 'float32') return decodeStorageBytes(buffer.bytes(), this.storage);
    if (!this.#values) {
      const { [this.dtype as NumericType]: ArrayType } = arrayTypes;
      this.#values = new ArrayType(buffer.contents(), 0, buffer.byteLength / ArrayType.BYTES_PER_ELEMENT);
    }
    return this.#values;
  }

  /** A copy of the elements in the array type of the dtype. */
  copyValues(): BackendValues {
    const values = this.values;
    if (Array.isArray(values) && this.dtype === 'string') return values;
    if (values === undefined || !isNumeric(this.dtype)) return values as unknown as BackendValues;
    return this.storage === 'float32' ? new arrayTypes[this.dtype](values as Float32Array) : values;
  }

  /** The elements where shaders find them. */
  buffer(): DeviceBuffer {
    if (!this.#buffer) {
      const { dtype } = this;
      const values = this.#values as ArrayLike<number> | undefined;
      if (!isNumeric(dtype) || !values) {
        throw new AttentionError(
          'ERR_DTYPE',
          `[metal] expected float32, int32 or bool data, received ${dtype}`,
        );
      }
      const ArrayType = arrayTypes[dtype];
      const buffer = this.#memory.allocate(values.length * ArrayType.BYTES_PER_ELEMENT);
      new ArrayType(buffer.contents(), 0, values.length).set(values);
      this.#buffer = buffer;
      this.#values = undefined;
    }
    return this.#buffer;
  }

  /** The buffer, if a shader has had use for one. */
  get allocatedBuffer(): DeviceBuffer | undefined {
    return this.#buffer;
  }

  /** Keeps the data for a read that is under way; `release` goes with it. */
  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders > 0) return;
    this.#buffer?.free();
    this.#buffer = undefined;
    this.#values = undefined;
  }
}
