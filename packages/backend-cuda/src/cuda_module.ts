import { AttentionError } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeContext, NativeModule } from './addon.ts';
import type { CudaBackend } from './cuda_backend.ts';
import type { KernelArgument } from './kernel_arguments.ts';
import { packArguments } from './kernel_arguments.ts';

/** Sizes in x, y and z; omitted ones are 1. */
export type Size3 = number | readonly [x: number, y?: number, z?: number];

/** A launch of a kernel of a {@link CudaModule}. */
export interface ModuleLaunch {
  /** Blocks of the grid. If one is 0, nothing is launched. */
  grid: Size3;
  /** Threads per block. */
  block: Size3;
  /** Bytes of dynamic shared memory per block. Default 0. */
  sharedBytes?: number;
  /** The kernel's parameters: tensors are passed as pointers to their elements, numbers with their type. */
  args: readonly (TensorInfo | KernelArgument)[];
}

function toSizes(size: Size3): [number, number, number] {
  const [x, y = 1, z = 1] = typeof size === 'number' ? [size] : size;
  return [x, y, z];
}

/** User-defined kernels, loaded by {@link CudaBackend.loadModule}. */
export class CudaModule {
  readonly #backend: CudaBackend;
  readonly #context: NativeContext;
  readonly #module: NativeModule;

  /** @internal */
  constructor(backend: CudaBackend, context: NativeContext, image: Uint8Array) {
    this.#backend = backend;
    this.#context = context;
    this.#module = context.loadModule(image);
  }

  /**
   * Launches a kernel, after all work launched before. Only reads wait for it.
   *
   * @param functionName Its name in the module: with `extern "C"` the one in the source.
   * @throws AttentionError `ERR_RANGE` if the function does not exist or a size is invalid, `ERR_DEVICE` if the launch
   * fails.
   */
  launch(functionName: string, { grid, block, sharedBytes = 0, args }: ModuleLaunch): void {
    const sizes = Float64Array.of(...toSizes(grid), ...toSizes(block), sharedBytes);
    if (!sizes.every((size) => Number.isInteger(size) && size >= 0 && size < 2 ** 31)) {
      throw new AttentionError(
        'ERR_RANGE',
        `[${functionName}] grid, block, sharedBytes: expected integers of at least 0, below 2^31, received ${sizes.join()}`,
      );
    }
    if (sizes.subarray(0, 3).includes(0)) return;
    const { bytes, offsets } = packArguments(args, (tensor) => this.#backend.pointer(tensor));
    this.#context.launchModule(this.#module, functionName, sizes, bytes, offsets);
  }
}
