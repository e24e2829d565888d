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

/** Bytes of `size` elements as they are stored. */
function byteLengthOf(dtype: NumericType, storage: StorageType, size: number): number {
  return dtype === 'float32' ? storageByteLength(storage, size) : size * arrayTypes[dtype].BYTES_PER_ELEMENT;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: NumericArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * The data behind a data id. tfjs's `cpu` kernels read `values` and `complexTensorInfos`; kernels of the device take
 * `buffer()`. Values that a `cpu` kernel made stay in the memory of JavaScript until the device wants them.
 */
export class TensorData<Buffer extends DeviceBuffer = DeviceBuffer> {
  readonly dtype: DataType;
  readonly storage: StorageType;
  refCount = 1;
  /** The storage that finds this data by itself. */
  home?: object;
  /** The parts of a complex tensor, which has no data of its own. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  readonly #memory: DeviceMemory<Buffer>;
  #holders = 1;
  /** The elements where there is no buffer; a view of the buffer where memory is shared. */
  #values: BackendValues | undefined;
  #buffer: Buffer | undefined;

  private constructor(memory: DeviceMemory<Buffer>, dtype: DataType, storage: StorageType) {
    this.#memory = memory;
    this.dtype = dtype;
    this.storage = storage;
  }

  /** Data of `size` elements in a new buffer, of undefined content. */
  static ofSize<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: NumericType,
    size: number,
    storage: StorageType,
  ): TensorData<Buffer> {
    return TensorData.inBuffer(memory, dtype, storage, memory.allocate(byteLengthOf(dtype, storage, size)));
  }

  /** Data in a buffer that it takes over. */
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

  /** Data that takes over `values`; a view of a buffer is copied, since it ends with the buffer. */
  static ofValues<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: DataType,
    values: BackendValues | undefined,
  ): TensorData<Buffer> {
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = ArrayBuffer.isView(values) && memory.isView(values) ? values.slice() : values;
    return data;
  }

  /** Data with a copy of `values`, which the caller goes on to own. */
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

  /** The same, in the memory of JavaScript until the device wants it. */
  static keptCopyOf<Buffer extends DeviceBuffer>(
    memory: DeviceMemory<Buffer>,
    dtype: DataType,
    values: BackendValues,
  ): TensorData<Buffer> {
    const data = new TensorData(memory, dtype, 'float32');
    data.#values = isNumeric(dtype) ? new arrayTypes[dtype](values as NumericArray) : values;
    return data;
  }

  /** Bytes in the memory of JavaScript. */
  get hostBytes(): number {
    return ArrayBuffer.isView(this.#values) && !this.#buffer ? this.#values.byteLength : 0;
  }

  /** The elements, for tfjs's `cpu` kernels, which take no block types. */
  get values(): BackendValues | undefined {
    if (isBlockStorage(this.storage)) throw blockStorageError(this.storage);
    return this.#elements();
  }

  /** The elements: where memory is shared, of float32, int32 and bool the memory itself, else a copy, widened. */
  #elements(): BackendValues | undefined {
    const buffer = this.#buffer;
    if (!buffer) return this.#values;
    const bytes = buffer.bytes(); // waits, which a view at hand does not spare
    if (this.#values) return this.#values;
    const values = this.#decode(bytes);
    if (this.#memory.isShared && this.storage === 'float32') this.#values = values;
    return values;
  }

  /** A copy of the elements in the array type of the dtype. */
  copyValues(): BackendValues {
    const values = this.#elements();
    if (!isNumeric(this.dtype) || values === undefined) return values as unknown as BackendValues;
    const isCopy = this.#buffer && !(this.#memory.isShared && this.storage === 'float32');
    return isCopy ? values : new arrayTypes[this.dtype](values as NumericArray);
  }

  /** The same, without blocking. Survives the disposal of the tensor. */
  async readValues(): Promise<BackendValues> {
    return this.#buffer ? this.#decode(await this.readBytes()) : this.copyValues();
  }

  /** A copy of the bytes as they are stored, without blocking. Survives the disposal of the tensor. */
  async readBytes(): Promise<Uint8Array> {
    if (!this.#buffer) return bytesOf(this.#hostValues().slice());
    this.#holders++;
    try {
      return await this.#buffer.readAsync();
    } finally {
      this.release();
    }
  }

  /** The elements where kernels of the device find them. */
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

  /** Whether the elements cannot be had without waiting for the device. */
  get isPending(): boolean {
    return this.#buffer?.isPending ?? false;
  }

  /** Frees the data when no read is under way any more. */
  release(): void {
    if (--this.#holders > 0) return;
    this.#buffer?.free();
    this.#buffer = undefined;
    this.#values = undefined;
  }

  /** What is not in a buffer yet, in the array type of the dtype. */
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

  /** The elements in bytes as they are stored: of narrower storage types a widened copy, else a view. */
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
