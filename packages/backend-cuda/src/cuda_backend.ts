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

/** Figures of {@link CudaBackend.memory}, in bytes. */
export interface CudaMemoryInfo {
  unreliable: boolean;
  /** In tensors, wherever they are. */
  numBytes: number;
  /** In tensors on the GPU. */
  numBytesInGPU: number;
  /** In tensors in pinned memory: caches that blocks are swapped to. */
  numBytesPinned: number;
  /** Of further pinned memory, which copies go through: reads under way, and up to 64 MB that are kept for later copies. */
  numBytesStaging: number;
  /** The most that tensors and what kernels need besides took so far. */
  numBytesPeak: number;
  /** What the memory pool holds: what is in use and what is kept for reuse. */
  numBytesReserved: number;
  /** Of the GPU's memory, free for everyone. */
  numBytesFree: number;
}

/**
 * tfjs on an NVIDIA GPU. Tensors live in the memory of the GPU, and all that runs on it runs in order, on one stream,
 * while JavaScript goes on. Kernels reach it with {@link makeOutput} and {@link run}, authors' own with {@link loadModule}.
 */
export class CudaBackend extends DeviceBackend<CudaBuffer> {
  /** @internal */
  override readonly launches: Launches = launches;
  readonly #context: NativeContext;
  readonly #memory: CudaMemory;

  /** @internal The package makes the instances. */
  constructor(name: string, context: NativeContext) {
    const memory = new CudaMemory(name, context);
    super(memory);
    this.#context = context;
    this.#memory = memory;
  }

  /** What the device calls itself: `NVIDIA H100 80GB HBM3`. */
  get deviceName(): string {
    return this.#context.deviceName;
  }

  /** Compute capability times ten: 90 for 9.0. */
  get architecture(): number {
    return this.#context.architecture;
  }

  /** Newest CUDA version that the driver serves: 13000 for 13.0. */
  get driverVersion(): number {
    return this.#context.driverVersion;
  }

  /** Whether kernels run on the CPU, on the emulator, which is for tests. */
  get isEmulated(): boolean {
    return this.#context.isEmulated;
  }

  /** Kernels launched so far; those of authors' own modules do not count. */
  get launchCount(): number {
    return this.#context.launches;
  }

  /** Real bytes, with figures of the memory pool. */
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

  /** The GPU's memory: what is free on it, and what the pool has reserved and nothing uses. */
  memoryInfo(): DeviceMemoryInfo | undefined {
    if (this.isEmulated) return undefined;
    this.#memory.wait(); // what was freed before is in use until the stream gets there
    const { used, reserved, deviceFree, deviceTotal } = this.#context.memory();
    return { free: deviceFree + reserved - used - this.#memory.takeGrowth(), total: deviceTotal };
  }

  /** The GPU's time for what `run` launches, in milliseconds. */
  override async time(run: () => void): Promise<{ kernelMs: number }> {
    const stopwatch = this.#context.startStopwatch();
    run(); // before the first await: tfjs's profiler wants its outputs at once
    this.#context.stopStopwatch(stopwatch);
    await this.#memory.waitAsync();
    return { kernelMs: this.#context.milliseconds(stopwatch) };
  }

  /** A cache of zeros: on the GPU, or with `memory: 'host'` in pinned memory, which the GPU reaches too. */
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
   * Runs an operation of the addon on tensors, after all that was launched before. Nothing waits for it but reads.
   *
   * @param operation The launcher, and the tables of its tensors and parameters.
   * @param tensors Inputs and outputs by name.
   * @param params The other parameters by name.
   * @throws AttentionError `ERR_RANGE`, `ERR_DTYPE` for parameters that the launcher cannot use, `ERR_DEVICE` for a launch
   * that fails, or with the fault of an earlier one.
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
          elementType(tensor.dtype, this.elementStorageOf(tensor.dataId)),
        );
    }
    operation.packParams(params);
    this.#context.run(operation.index, operation.block);
  }

  /** Address of a tensor's elements on the GPU, which stays as long as the tensor. 0 for a tensor without elements. */
  pointer(tensor: TensorInfo): number {
    return this.bufferOf(tensor).address;
  }

  /**
   * Kernels of your own, compiled to PTX (`nvcc -ptx`, for any later GPU) or to a cubin (for one architecture).
   *
   * @throws AttentionError `ERR_DEVICE` for an image that the driver does not take.
   */
  loadModule(image: Uint8Array): CudaModule {
    return new CudaModule(this, this.#context, image);
  }
}

/**
 * Gives an op its kernel for the backend `cuda`, and for the further devices of `registerCudaDevice`. The kernel makes its
 * outputs with {@link CudaBackend.makeOutput} and fills them with {@link CudaBackend.run} or a {@link CudaModule}.
 */
export const cudaKernel: DeviceKernel<CudaBackend> = deviceKernel<CudaBackend>('cuda');
