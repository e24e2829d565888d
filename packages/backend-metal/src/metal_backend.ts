import { AttentionError, encodeStorageBytes } from '@attention-js/core';
import type { OutputSpec, StorageBackend, StorageMemory, StorageType } from '@attention-js/core';
import {
  DataStorage,
  KernelBackend,
  backend_util,
  buffer,
  engine,
  kernel_impls,
  util,
} from '@tensorflow/tfjs-core';
import type { DataType, Rank, ShapeMap, Tensor, TensorBuffer, TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeDevice } from './addon.ts';
import { DeviceMemory } from './device_memory.ts';
import type { DeviceBuffer } from './device_memory.ts';
import type { Dispatch } from './dispatch.ts';
import { MSL_TYPES } from './msl_types.ts';
import { packParams } from './params.ts';
import { ShaderLibrary } from './shader_library.ts';
import { inlineHeaders, shaderSource } from './shader_source.ts';
import { TensorData } from './tensor_data.ts';

type DataId = TensorInfo['dataId'];
type BackendValues = backend_util.BackendValues;

const NO_PARAMS = new Uint8Array(0);

/**
 * tfjs on an Apple GPU. Tensors live in memory that CPU and GPU share: shaders and tfjs's own `cpu` kernels work on the
 * same bytes. Kernels reach it with {@link makeOutput} and {@link dispatch}.
 */
export class MetalBackend extends KernelBackend implements StorageBackend {
  /** @internal Data by data id, as tfjs's `cpu` kernels look it up. */
  readonly data: DataStorage<TensorData>;
  /** @internal Tile of the `cpu` kernel of BatchMatMul, which asks its backend. */
  readonly blockSize = 48;
  readonly #device: NativeDevice;
  readonly #memory: DeviceMemory;
  readonly #libraries = new Map<string, ShaderLibrary>();
  readonly #placeholder: DeviceBuffer;
  #hostBytes = 0;

  /** @internal The package makes the one instance. */
  constructor(device: NativeDevice) {
    super();
    this.data = new DataStorage(this, engine());
    this.#device = device;
    this.#memory = new DeviceMemory(device);
    this.#placeholder = this.#memory.allocate(16);
  }

  /** What the device calls itself. */
  get deviceName(): string {
    return this.#device.name;
  }

  // Data, as tfjs's engine and its `cpu` kernels handle it.

  /** @internal */
  override write(values: BackendValues, _shape: number[], dtype: DataType): DataId {
    return this.#add(
      values === undefined
        ? TensorData.ofValues(this.#memory, dtype, values)
        : TensorData.copyOf(this.#memory, dtype, values),
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
    const data = TensorData.copyOf(this.#memory, dtype, values);
    data.refCount = refCount;
    this.#add(data, dataId);
  }

  /** Makes a tensor of values that the backend takes over: what a `cpu` kernel computed, for instance. */
  makeTensorInfo(shape: number[], dtype: DataType, values?: BackendValues | string[]): TensorInfo {
    const isText = dtype === 'string' && util.isString(values?.[0] as string);
    const encoded = isText ? (values as string[]).map((text) => util.encodeString(text)) : values;
    const dataId = this.#add(TensorData.ofValues(this.#memory, dtype, encoded as BackendValues));
    return { dataId, shape, dtype };
  }

  /** Makes a tensor of values and gives it to tfjs's engine. */
  makeOutput(spec: OutputSpec): TensorInfo;
  makeOutput(values: BackendValues, shape: number[], dtype: DataType): Tensor;
  makeOutput(first: OutputSpec | BackendValues, shape?: number[], dtype?: DataType): TensorInfo | Tensor {
    if (dtype !== undefined && shape !== undefined) {
      const info = this.makeTensorInfo(shape, dtype, first as BackendValues);
      return engine().makeTensorFromTensorInfo(info, this);
    }
    const spec = first as OutputSpec;
    const size = util.sizeFromShape(spec.shape);
    const data = TensorData.inBuffer(this.#memory, spec.dtype, size, spec.storage ?? 'float32');
    return { dataId: this.#add(data), shape: spec.shape, dtype: spec.dtype };
  }

  #add(data: TensorData, dataId: DataId = {}): DataId {
    this.data.set(dataId, data);
    this.#hostBytes += data.hostBytes;
    return dataId;
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
    const { allocatedBuffer } = data;
    if (data.complexTensorInfos || !allocatedBuffer) return this.readSync(dataId);
    data.retain(); // the tensor may be disposed of meanwhile
    try {
      return await this.#memory.whenDone(allocatedBuffer, () => data.copyValues());
    } finally {
      data.release();
    }
  }

  /** The elements of a tensor in a buffer of tfjs. */
  bufferSync<R extends Rank, D extends DataType>(tensor: TensorInfo): TensorBuffer<R, D> {
    const values = this.readSync(tensor.dataId);
    const decoded =
      tensor.dtype === 'string' ? (values as Uint8Array[]).map((text) => util.decodeString(text)) : values;
    return buffer(tensor.shape as ShapeMap[R], tensor.dtype as D, decoded as never);
  }

  /** Positions of the true elements of `condition`, which tfjs asks for on the host. */
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

  /** Disposes of a tensor that a kernel made for itself. What was dispatched with it still runs. */
  disposeIntermediateTensorInfo(tensor: TensorInfo): void {
    this.disposeData(tensor.dataId);
  }

  /** @internal */
  override numDataIds(): number {
    return this.data.numDataIds();
  }

  /** Real bytes: `numBytesInGPU` in buffers, `numBytes` with values that no shader has had use for yet. */
  override memory(): { unreliable: boolean; numBytes: number; numBytesInGPU: number } {
    const numBytesInGPU = this.#memory.byteLength;
    return { unreliable: false, numBytes: numBytesInGPU + this.#hostBytes, numBytesInGPU };
  }

  /** @internal */
  override async time(run: () => void): Promise<{ kernelMs: number }> {
    this.#memory.wait();
    const start = util.now();
    run(); // before the first await: tfjs's profiler wants its outputs at once
    await this.#memory.waitAsync();
    return { kernelMs: util.now() - start };
  }

  /** @internal */
  override floatPrecision(): 32 {
    return 32;
  }

  /** @internal */
  override dispose(): void {
    this.#memory.dispose();
  }

  // Storage types.

  storageOf(dataId: DataId): StorageType {
    return this.data.get(dataId).storage;
  }

  zeros(shape: number[], storage: StorageType, _memory: StorageMemory): TensorInfo {
    const tensor = this.makeOutput({ shape, dtype: 'float32', storage });
    this.fill(tensor, 0);
    return tensor;
  }

  fromBytes(bytes: Uint8Array, shape: number[], storage: StorageType): TensorInfo {
    const tensor = this.makeOutput({ shape, dtype: 'float32', storage });
    this.#buffer(tensor).bytes().set(bytes);
    return tensor;
  }

  async bytes(tensor: TensorInfo): Promise<Uint8Array> {
    const memory = this.#buffer(tensor);
    const data = this.data.get(tensor.dataId);
    data.retain();
    try {
      if (this.#memory.isPending(memory)) await this.#memory.waitAsync();
      return memory.bytes().slice();
    } finally {
      data.release();
    }
  }

  assign(destination: TensorInfo, source: Float32Array | Int32Array): void {
    const memory = this.#buffer(destination).bytes();
    if (source instanceof Int32Array) {
      memory.set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
    } else {
      memory.set(encodeStorageBytes(source, this.storageOf(destination.dataId)));
    }
  }

  /** Sets every byte of a tensor. Waits for what was dispatched with it. */
  fill(tensor: TensorInfo, byte: number): void {
    this.#buffer(tensor).bytes().fill(byte);
  }

  // Shaders.

  /** The name that a tensor's or a storage type's elements have in a shader: `float`, `half`, `bfloat` or `int`. */
  mslType(of: TensorInfo | StorageType): string {
    if (typeof of === 'string') return MSL_TYPES[of];
    return of.dtype === 'float32' ? MSL_TYPES[this.storageOf(of.dataId)] : 'int';
  }

  /**
   * Shader source as a library for {@link dispatch}. The same source gives the same library, which is compiled once, when
   * it is first used.
   *
   * @param name Name of the source in errors.
   * @param source Metal Shading Language 3.1. `#include "x.h"` finds the headers of this package.
   */
  library(name: string, source: string): ShaderLibrary {
    return this.#library(source, () => new ShaderLibrary(this.#device, name, inlineHeaders(source)));
  }

  /**
   * Runs a shader on tensors, after all that was dispatched before. Nothing waits for it but reads.
   *
   * @throws AttentionError `ERR_DEVICE` for a shader that does not compile or a launch that the device cannot do.
   */
  dispatch(call: Dispatch): void {
    const [x, y, z] = call.threadgroups;
    if (x === 0 || y === 0 || z === 0) return;
    const buffers = call.buffers.map((tensor) => this.#buffer(tensor));
    const library = typeof call.shader === 'string' ? this.#ownLibrary(call.shader) : call.shader;
    const pipeline = library.pipeline(call.function, call.constants);
    this.#device.dispatch(
      pipeline,
      buffers.map(({ native }) => native),
      call.params ? packParams(call.params) : NO_PARAMS,
      [x, y, z, ...call.threads],
      call.threadgroupBytes ?? 0,
    );
    this.#memory.use(buffers);
  }

  /** Whether the device may still be at work on a tensor: its values cannot be had without waiting. */
  isPending(tensor: TensorInfo): boolean {
    const { allocatedBuffer } = this.data.get(tensor.dataId);
    return allocatedBuffer !== undefined && this.#memory.isPending(allocatedBuffer);
  }

  /** Blocks until the device is done. */
  wait(): void {
    this.#memory.wait();
  }

  #ownLibrary(stem: string): ShaderLibrary {
    return this.#library(stem, () => new ShaderLibrary(this.#device, stem, shaderSource(stem)));
  }

  #library(key: string, make: () => ShaderLibrary): ShaderLibrary {
    let library = this.#libraries.get(key);
    if (!library) {
      library = make();
      this.#libraries.set(key, library);
    }
    return library;
  }

  /** The buffer of a tensor, for shaders; a placeholder for none. */
  #buffer(tensor: TensorInfo | undefined): DeviceBuffer {
    if (!tensor) return this.#placeholder;
    const data = this.data.get(tensor.dataId);
    const { hostBytes } = data;
    const memory = data.buffer();
    this.#hostBytes -= hostBytes;
    return memory;
  }
}

/** Stands in for the backend where it cannot be had: every method throws why. */
export function unavailableBackend(error: AttentionError): KernelBackend {
  const backend = new KernelBackend();
  const methods = [MetalBackend, KernelBackend].flatMap((type) => Object.getOwnPropertyNames(type.prototype));
  for (const name of new Set(methods)) {
    if (name === 'constructor' || name === 'dispose') continue;
    const value = (): never => {
      throw new AttentionError(error.code, error.message, { cause: error });
    };
    Object.defineProperty(backend, name, { value });
  }
  backend.dispose = () => {}; // tfjs's engine calls it when it is reset
  return backend;
}
