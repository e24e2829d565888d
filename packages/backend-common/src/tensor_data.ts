import {
  AttentionError,
  blockStorageError,
  decodeStorageBytes,
  isBlockStorage,
  storageByteLength,
} from '@attention-js/core';
import type { StorageType } from '@attention-js/core';
import type { backend_util, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBuffer, DeviceMemory } from './device_memory.ts';
import type { NumericType } from './numeric_type.ts';

type BackendValues = backend_util.BackendValues;
type NumericArray = Float32Array | Int32Array | Uint8Array;

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

function isNumeric(dtype: DataType): dtype is NumericType {
  return dtype in arrayTypes;
}

/** Bytes of `size` elements in storage. */
function byteLengthOf(dtype: NumericType, storage: StorageType, size: number): number {
  return dtype === 'float32' ? storageByteLength(storage, size) : size * arrayTypes[dtype].BYTES_PER_ELEMENT;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: NumericArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * The data behind a data id. tfjs's `cpu` kernels read `values` and `complexTensorInfos`; device kernels use
 * `buffer()`. Values made by a `cpu` kernel stay in JavaScript memory until the device needs them.
 */
export class TensorData<Buffer extends DeviceBuffer = DeviceBuffer> {
  readonly dtype: DataType;
  readonly storage: StorageType;
  refCount = 1;
  /** The `TensorDataStorage` for which this object is its own data id. */
  home?: object;
  /** Real and imaginary part of a complex tensor, which has no other data. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  readonly #memory: DeviceMemory<Buffer>;
  #holders = 1;
  /** The elements, if there is no buffer; a view of the buffer if memory is shared. */
  #values: BackendValues | undefined;
  #buffer: Buffer | undefined;

  private constructor(memory: DeviceMemory<Buffer>, dtype: DataType, storage: StorageType) {
    this.#memory = memory;
    this.dtype = dtype;
    this.storage = storage;
  }

  /** Uninitialized data of `size` elements in a new buffer. */
  static ofSize<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: NumericType,
    size: number,
    storage: StorageType,
  ): TensorData<Buffer> {
    return TensorData.inBuffer(memory, dtype, storage, memory.allocate(byteLengthOf(dtype, storage, size)));
  }

  /** Data in a buffer whose ownership it takes. */
  static inBuffer<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: NumericType,
    storage: StorageType,
    buffer: Buffer,
  ): TensorData<Buffer> {
    const data = new TensorData(memory, dtype, storage);
    data.#buffer = buffer;
    return data;
  }

  /** Data that takes ownership of `values`. A view of a buffer is copied, because the buffer may be freed first. */
  static ofValues<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: DataType,
    values: BackendValues | undefined,
  ): TensorData<Buffer> {
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = ArrayBuffer.isView(values) && memory.isView(values) ? values.slice() : values;
    return data;
  }

  /** Data with a copy of `values`, which stay the caller's. */
  static copyOf<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: DataType,
    values: BackendValues,
  ): TensorData<Buffer> {
    const isEager = isNumeric(dtype) && memory.isEager(byteLengthOf(dtype, 'float32', values.length));
    if (!isEager) return TensorData.keptCopyOf(memory, dtype, values);
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = values;
    data.buffer();
    return data;
  }

  /** The same, kept in JavaScript memory until the device needs it. */
  static keptCopyOf<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: DataType,
    values: BackendValues,
  ): TensorData<Buffer> {
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = isNumeric(dtype) ? new arrayTypes[dtype](values as NumericArray) : values;
    return data;
  }

  /** Bytes in JavaScript memory. */
  get hostBytes(): number {
    return ArrayBuffer.isView(this.#values) && !this.#buffer ? this.#values.byteLength : 0;
  }

  /** The elements, for tfjs's `cpu` kernels, which do not support block types. */
  get values(): BackendValues | undefined {
    if (isBlockStorage(this.storage)) throw blockStorageError(this.storage);
    return this.#elements();
  }

  /**
   * The elements. If memory is shared and the type is float32, int32 or bool, the memory itself; otherwise a copy,
   * widened to float32.
   */
  #elements(): BackendValues | undefined {
    const buffer = this.#buffer;
    if (!buffer) return this.#values;
    const bytes = buffer.bytes(); // waits for the device, which is necessary even if a view exists
    if (this.#values) return this.#values;
    const values = this.#decode(bytes);
    if (this.#memory.isShared && this.storage === 'float32') this.#values = values;
    return values;
  }

  /** A copy of the elements, in the dtype's array type. */
  copyValues(): BackendValues {
    const values = this.#elements();
    if (!isNumeric(this.dtype) || values === undefined) return values as unknown as BackendValues;
    const isCopy = this.#buffer && !(this.#memory.isShared && this.storage === 'float32');
    return isCopy ? values : new arrayTypes[this.dtype](values as NumericArray);
  }

  /** The same, without blocking. Stays valid if the tensor is disposed meanwhile. */
  async readValues(): Promise<BackendValues> {
    return this.#buffer ? this.#decode(await this.readBytes()) : this.copyValues();
  }

  /** A copy of the stored bytes, without blocking. Stays valid if the tensor is disposed meanwhile. */
  async readBytes(): Promise<Uint8Array> {
    if (!this.#buffer) return bytesOf(this.#hostValues().slice());
    this.#holders++;
    try {
      return await this.#buffer.readAsync();
    } finally {
      this.release();
    }
  }

  /** The device buffer of the elements; uploads them if necessary. */
  buffer(): Buffer {
    if (!this.#buffer) {
      const bytes = bytesOf(this.#hostValues());
      const buffer = this.#memory.allocate(bytes.byteLength);
      try {
        buffer.write(bytes);
      } catch (error) {
        buffer.free();
        throw error;
      }
      this.#buffer = buffer;
      this.#values = undefined;
    }
    return this.#buffer;
  }

  /** Whether reading the elements would wait for the device. */
  get isPending(): boolean {
    return this.#buffer?.isPending ?? false;
  }

  /** Frees the data once no read is in progress. */
  release(): void {
    if (--this.#holders > 0) return;
    this.#buffer?.free();
    this.#buffer = undefined;
    this.#values = undefined;
  }

  /** The values not yet in a buffer, in the dtype's array type. */
  #hostValues(): NumericArray {
    const { dtype } = this;
    const values = this.#values as NumericArray | undefined;
    if (!isNumeric(dtype) || !values) {
      throw new AttentionError(
        'ERR_DTYPE',
        `[${this.#memory.backendName}] expected float32, int32 or bool data, received ${dtype}`,
      );
    }
    return values instanceof arrayTypes[dtype] ? values : new arrayTypes[dtype](values);
  }

  /** Decodes stored bytes: a widened copy for narrower storage types, otherwise a view. */
  #decode(bytes: Uint8Array): NumericArray {
    if (this.storage !== 'float32') return decodeStorageBytes(bytes, this.storage);
    const { [this.dtype as NumericType]: ArrayType } = arrayTypes;
    return new ArrayType(
      bytes.buffer as ArrayBuffer,
      bytes.byteOffset,
      bytes.byteLength / ArrayType.BYTES_PER_ELEMENT,
    );
  }
}
