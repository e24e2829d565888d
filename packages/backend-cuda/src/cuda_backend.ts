import { DeviceBackend, deviceKernel, elementType } from '@attention-js/backend-common';
import type {
  DeviceKernel,
  Launches,
  NamedTensors,
  ParamFields,
  ParamValues,
} from '@attention-js/backend-common';
import { storageByteLength } from '@attention-js/core';
import type { DeviceMemoryInfo, StorageMemory, StorageType } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeContext } from './addon.ts';
import { CudaMemory } from './cuda_memory.ts';
import type { CudaBuffer } from './cuda_memory.ts';
import { CudaModule } from './cuda_module.ts';
import { launches } from './launches/index.ts';
import type { Operation } from './operation.ts';

/** The result of {@link CudaBackend.memory}, in bytes. */
export interface CudaMemoryInfo {
  unreliable: boolean;
  /** All tensors. */
  numBytes: number;
  /** Tensors on the GPU. */
  numBytesInGPU: number;
  /** Tensors in pinned host memory: caches to which blocks are swapped. */
  numBytesPinned: number;
  /** Other pinned memory used for copies: reads in progress, and up to 64 MB kept for later copies. */
  numBytesStaging: number;
  /** Peak of tensors plus kernels' scratch memory. */
  numBytesPeak: number;
  /** Memory held by the pool: in use or kept for reuse. */
  numBytesReserved: number;
  /** Free memory of the GPU, available to all processes. */
  numBytesFree: number;
}

/**
 * tfjs on an NVIDIA GPU. Tensors live in GPU memory, and all work runs in order on one stream, asynchronously to
 * JavaScript. Kernels use {@link makeOutput} and {@link run}; {@link loadModule} loads your own kernels.
 */
export class CudaBackend extends DeviceBackend<CudaBuffer> {
  /** @internal */
  override readonly launches: Launches = launches;
  readonly #context: NativeContext;
  readonly #memory: CudaMemory;

  /** @internal The package creates the instances. */
  constructor(name: string, context: NativeContext) {
    const memory = new CudaMemory(name, context);
    super(memory);
    this.#context = context;
    this.#memory = memory;
  }

  /** The device's name: `NVIDIA H100 80GB HBM3`. */
  get deviceName(): string {
    return this.#context.deviceName;
  }

  /** Compute capability times ten: 90 for 9.0. */
  get architecture(): number {
    return this.#context.architecture;
  }

  /** Newest CUDA version that the driver supports: 13000 for 13.0. */
  get driverVersion(): number {
    return this.#context.driverVersion;
  }

  /** Whether kernels run on the CPU emulator, which is for tests. */
  get isEmulated(): boolean {
    return this.#context.isEmulated;
  }

  /** Number of kernels launched so far, not counting those of {@link loadModule}. */
  get launchCount(): number {
    return this.#context.launches;
  }

  /** Actual memory use, including the memory pool. */
  override memory(): CudaMemoryInfo {
    const { reserved, pinned, staging, deviceFree } = this.#context.memory();
    const { unreliable, numBytes, numBytesInGPU } = super.memory();
    return {
      unreliable,
      numBytes: numBytes + pinned,
      numBytesInGPU,
      numBytesPinned: pinned,
      numBytesStaging: staging,
      numBytesPeak: this.#memory.peak,
      numBytesReserved: reserved,
      numBytesFree: deviceFree,
    };
  }

  /** The GPU's total and free memory. Free includes what the pool has reserved but does not use. */
  memoryInfo(): DeviceMemoryInfo | undefined {
    if (this.isEmulated) return undefined;
    this.#memory.wait(); // freed memory stays in use until the stream reaches the free
    const { used, reserved, deviceFree, deviceTotal } = this.#context.memory();
    return { free: deviceFree + reserved - used - this.#memory.takeGrowth(), total: deviceTotal };
  }

  /** Measures the GPU time of what `run` launches, in milliseconds. */
  override async time(run: () => void): Promise<{ kernelMs: number }> {
    const stopwatch = this.#context.startStopwatch();
    run(); // before the first await: tfjs's profiler reads the outputs synchronously
    this.#context.stopStopwatch(stopwatch);
    await this.#memory.waitAsync();
    return { kernelMs: this.#context.milliseconds(stopwatch) };
  }

  /**
   * Allocates a zero-filled cache on the GPU, or with `memory: 'host'` in pinned host memory, which the GPU can access.
   */
  override zeros(shape: number[], storage: StorageType, memory: StorageMemory): TensorInfo {
    if (memory !== 'host') return super.zeros(shape, storage, memory);
    const bytes = storageByteLength(storage, util.sizeFromShape(shape));
    return this.runKernel(() => {
      const tensor = this.makeTensorInBuffer(this.#memory.allocate(bytes, true), shape, 'float32', storage);
      this.fill(tensor, 0);
      return tensor;
    });
  }

  /**
   * Runs an operation of the addon on tensors, after all work launched before. Only reads wait for it.
   *
   * @param operation The launcher, and the tables of its tensors and parameters.
   * @param tensors Inputs and outputs by name.
   * @param params The other parameters by name.
   * @throws AttentionError `ERR_RANGE` or `ERR_DTYPE` if the launcher does not support the parameters; `ERR_DEVICE` if
   * the launch fails, or an earlier one has failed.
   */
  run<Name extends string, Fields extends ParamFields>(
    operation: Operation<Name, Fields>,
    tensors: NamedTensors<Name>,
    params: ParamValues<Fields>,
  ): void {
    const given = tensors as Readonly<Record<string, TensorInfo | undefined>>;
    const { tensorNames } = operation;
    for (let i = 0; i < tensorNames.length; i++) {
      const tensor = given[tensorNames[i]];
      if (!tensor) operation.packTensor(i, 0, 0);
      else
        operation.packTensor(
          i,
          this.pointer(tensor),
          elementType(
            tensor.dtype,
            operation.weights.has(tensorNames[i])
              ? this.storageOf(tensor.dataId)
              : this.elementStorageOf(tensor.dataId),
          ),
        );
    }
    operation.packParams(params);
    this.#context.run(operation.index, operation.block);
  }

  /** Address of a tensor's elements on the GPU, valid as long as the tensor. 0 for a tensor without elements. */
  pointer(tensor: TensorInfo): number {
    return this.bufferOf(tensor).address;
  }

  /**
   * Loads your own kernels, compiled to PTX (`nvcc -ptx`, for any later GPU) or to a cubin (for one architecture).
   *
   * @throws AttentionError `ERR_DEVICE` if the driver rejects the image.
   */
  loadModule(image: Uint8Array): CudaModule {
    return new CudaModule(this, this.#context, image);
  }
}

/**
 * Registers an op's kernel for the backend `cuda` and for the devices of `registerCudaDevice`. The kernel creates its
 * outputs with {@link CudaBackend.makeOutput} and fills them with {@link CudaBackend.run} or a {@link CudaModule}.
 */
export const cudaKernel: DeviceKernel<CudaBackend> = deviceKernel<CudaBackend>('cuda');
