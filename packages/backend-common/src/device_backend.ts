import { blockStorageError, encodeStorageBytes, isBlockStorage } from '@attention-js/core';
import type {
  ElementStorage,
  OutputSpec,
  StorageBackend,
  StorageMemory,
  StorageType,
} from '@attention-js/core';
import { KernelBackend, backend_util, buffer, engine, kernel_impls, util } from '@tensorflow/tfjs-core';
import type { DataType, Rank, ShapeMap, Tensor, TensorBuffer, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBuffer, DeviceMemory } from './device_memory.ts';
import type { Launches } from './launches.ts';
import type { NumericType } from './numeric_type.ts';
import { TensorData } from './tensor_data.ts';
import { TensorDataStorage } from './tensor_data_storage.ts';

type DataId = TensorInfo['dataId'];
type BackendValues = backend_util.BackendValues;

/**
 * The device-independent part of a tfjs backend, which can also run tfjs's `cpu` kernels. A subclass adds the memory of
 * its device, ways to run kernels on it, and the launches from which tfjs's ops are built.
 */
export abstract class DeviceBackend<Buffer extends DeviceBuffer = DeviceBuffer>
  extends KernelBackend
  implements StorageBackend
{
  /** @internal Data by data id, where tfjs's `cpu` kernels look it up. */
  readonly data: TensorDataStorage<Buffer>;
  /** @internal Tile size that tfjs's `cpu` kernel of BatchMatMul reads from its backend. */
  readonly blockSize = 48;
  /** @internal The launches that kernels of tfjs's ops use. */
  abstract readonly launches: Launches;
  /** @internal */
  protected readonly deviceMemory: DeviceMemory<Buffer>;
  #hostBytes = 0;
  /** Data created so far by the running kernel. */
  #made: DataId[] | undefined;

  /** @internal */
  constructor(memory: DeviceMemory<Buffer>) {
    super();
    this.data = new TensorDataStorage(this, engine());
    this.deviceMemory = memory;
  }

  // Data, as tfjs's engine and its `cpu` kernels use it.

  /** @internal */
  override write(values: BackendValues, _shape: number[], dtype: DataType): DataId {
    return this.#add(
      values === undefined
        ? TensorData.ofValues(this.deviceMemory, dtype, values)
        : TensorData.copyOf(this.deviceMemory, dtype, values),
    );
  }

  /** @internal */
  override move(
    dataId: DataId,
    values: BackendValues,
    _shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    // Allocates no device memory, so it cannot fail: if memory is short, a later op fails, and tfjs has lost nothing.
    const data = TensorData.keptCopyOf(this.deviceMemory, dtype, values);
    data.refCount = refCount;
    this.#set(dataId, data);
  }

  /** Makes a tensor of values whose ownership passes to the backend, such as the result of a `cpu` kernel. */
  makeTensorInfo(shape: number[], dtype: DataType, values?: BackendValues | string[]): TensorInfo {
    const isText = dtype === 'string' && util.isString(values?.[0] as string);
    const encoded = isText ? (values as string[]).map((text) => util.encodeString(text)) : values;
    const dataId = this.#add(TensorData.ofValues(this.deviceMemory, dtype, encoded as BackendValues));
    return { dataId, shape, dtype };
  }

  /** Makes an uninitialized tensor. */
  makeOutput(spec: OutputSpec): TensorInfo;
  /** Makes a tensor of values and registers it with tfjs's engine. */
  makeOutput(values: BackendValues, shape: number[], dtype: DataType): Tensor;
  makeOutput(first: OutputSpec | BackendValues, shape?: number[], dtype?: DataType): TensorInfo | Tensor {
    if (dtype !== undefined && shape !== undefined) {
      const info = this.makeTensorInfo(shape, dtype, first as BackendValues);
      return engine().makeTensorFromTensorInfo(info, this);
    }
    const spec = first as OutputSpec;
    const size = util.sizeFromShape(spec.shape);
    const data = TensorData.ofSize(this.deviceMemory, spec.dtype, size, spec.storage ?? 'float32');
    return { dataId: this.#add(data), shape: spec.shape, dtype: spec.dtype };
  }

  /** @internal Makes a tensor in a buffer whose ownership it takes. */
  protected makeTensorInBuffer(
    memory: Buffer,
    shape: number[],
    dtype: NumericType,
    storage: StorageType = 'float32',
  ): TensorInfo {
    const data = TensorData.inBuffer(this.deviceMemory, dtype, storage, memory);
    return { dataId: this.#add(data), shape, dtype };
  }

  #add(data: TensorData<Buffer>): DataId {
    this.#set(data, data);
    this.#made?.push(data);
    return data;
  }

  #set(dataId: DataId, data: TensorData<Buffer>): void {
    this.data.set(dataId, data);
    this.#hostBytes += data.hostBytes;
  }

  /**
   * @internal Runs a kernel. If it throws, disposes the tensors it has made: the device may lack the memory for all of
   * them.
   */
  runKernel<Result>(kernel: () => Result): Result {
    const outer = this.#made;
    const made: DataId[] = [];
    this.#made = made;
    try {
      const result = kernel();
      outer?.push(...made);
      return result;
    } catch (error) {
      for (const dataId of made) this.disposeData(dataId, true);
      throw error;
    } finally {
      this.#made = outer;
    }
  }

  /** @internal */
  override readSync(dataId: DataId): BackendValues {
    const data = this.data.get(dataId);
    if (data.complexTensorInfos) {
      const { real, imag } = data.complexTensorInfos;
      const parts = [real, imag].map((part) => this.readSync(part.dataId) as Float32Array);
      return backend_util.mergeRealAndImagArrays(parts[0], parts[1]);
    }
    return data.copyValues();
  }

  /** @internal */
  override async read(dataId: DataId): Promise<BackendValues> {
    const data = this.data.get(dataId);
    if (!data.complexTensorInfos) return data.readValues();
    const { real, imag } = data.complexTensorInfos;
    const parts = await Promise.all([this.read(real.dataId), this.read(imag.dataId)]);
    return backend_util.mergeRealAndImagArrays(parts[0] as Float32Array, parts[1] as Float32Array);
  }

  /** The elements of a tensor as a tfjs TensorBuffer. */
  bufferSync<R extends Rank, D extends DataType>(tensor: TensorInfo): TensorBuffer<R, D> {
    const values = this.readSync(tensor.dataId);
    const decoded =
      tensor.dtype === 'string' ? (values as Uint8Array[]).map((text) => util.decodeString(text)) : values;
    return buffer(tensor.shape as ShapeMap[R], tensor.dtype as D, decoded as never);
  }

  /** Positions of the true elements of `condition`. tfjs expects them on the CPU. */
  where(condition: Tensor): Tensor {
    return kernel_impls.whereImpl(condition.shape, this.readSync(condition.dataId) as Uint8Array);
  }

  /** @internal */
  override refCount(dataId: DataId): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0;
  }

  /** @internal */
  override incRef(dataId: DataId): void {
    this.data.get(dataId).refCount++;
  }

  /** @internal */
  override disposeData(dataId: DataId, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const data = this.data.get(dataId);
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    if (data.complexTensorInfos) {
      this.disposeData(data.complexTensorInfos.real.dataId, true);
      this.disposeData(data.complexTensorInfos.imag.dataId, true);
    }
    this.#hostBytes -= data.hostBytes;
    data.release();
    this.data.delete(dataId);
    return true;
  }

  /** Disposes a temporary tensor of a kernel. Work already launched with it still completes. */
  disposeIntermediateTensorInfo(tensor: TensorInfo): void {
    this.disposeData(tensor.dataId);
  }

  /** @internal */
  override numDataIds(): number {
    return this.data.numDataIds();
  }

  /** Actual bytes: `numBytesInGPU` in device buffers; `numBytes` also includes values not yet uploaded. */
  override memory(): { unreliable: boolean; numBytes: number; numBytesInGPU: number } {
    const numBytesInGPU = this.deviceMemory.byteLength;
    return { unreliable: false, numBytes: numBytesInGPU + this.#hostBytes, numBytesInGPU };
  }

  /** @internal */
  override async time(run: () => void): Promise<{ kernelMs: number }> {
    this.deviceMemory.wait();
    const start = util.now();
    run(); // before the first await: tfjs's profiler reads the outputs synchronously
    await this.deviceMemory.waitAsync();
    return { kernelMs: util.now() - start };
  }

  /** @internal */
  override floatPrecision(): 32 {
    return 32;
  }

  /** @internal */
  override dispose(): void {
    this.deviceMemory.dispose();
  }

  // Storage types.

  storageOf(dataId: DataId): StorageType {
    return this.data.get(dataId).storage;
  }

  /** {@link storageOf} for code that supports no block types: throws `ERR_DTYPE` for them. */
  elementStorageOf(dataId: DataId): ElementStorage {
    const { storage } = this.data.get(dataId);
    if (isBlockStorage(storage)) throw blockStorageError(storage);
    return storage;
  }

  zeros(shape: number[], storage: StorageType, _memory: StorageMemory): TensorInfo {
    return this.runKernel(() => {
      const tensor = this.makeOutput({ shape, dtype: 'float32', storage });
      this.fill(tensor, 0);
      return tensor;
    });
  }

  fromBytes(bytes: Uint8Array, shape: number[], storage: StorageType): TensorInfo {
    return this.runKernel(() => {
      const tensor = this.makeOutput({ shape, dtype: 'float32', storage });
      this.bufferOf(tensor).write(bytes);
      return tensor;
    });
  }

  async bytes(tensor: TensorInfo): Promise<Uint8Array> {
    return this.data.get(tensor.dataId).readBytes();
  }

  assign(destination: TensorInfo, source: Float32Array | Int32Array): void {
    const bytes =
      source instanceof Int32Array
        ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
        : encodeStorageBytes(source, this.storageOf(destination.dataId));
    this.bufferOf(destination).write(bytes);
  }

  /** Sets every byte of a tensor. */
  fill(tensor: TensorInfo, byte: number): void {
    this.bufferOf(tensor).fill(byte);
  }

  // For kernels.

  /** Whether the device may still be computing a tensor, so that reading it would wait. */
  isPending(tensor: TensorInfo): boolean {
    return this.data.get(tensor.dataId).isPending;
  }

  /** Blocks until the device is done. */
  wait(): void {
    this.deviceMemory.wait();
  }

  /** @internal The device buffer of a tensor's elements; uploads them if necessary. */
  protected bufferOf(tensor: TensorInfo): Buffer {
    const data = this.data.get(tensor.dataId);
    const { hostBytes } = data;
    const memory = data.buffer();
    this.#hostBytes -= hostBytes;
    return memory;
  }
}
