import { AttentionError } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeContext, NativeModule } from './addon.ts';
import type { CudaBackend } from './cuda_backend.ts';
import type { KernelArgument } from './kernel_arguments.ts';
import { packArguments } from './kernel_arguments.ts';

/** Sizes in x, y and z; those left out are 1. */
export type Size3 = number | readonly [x: number, y?: number, z?: number];

/** A launch of a kernel of a {@link CudaModule}. */
export interface ModuleLaunch {
  /** Blocks of the grid. Where one of them is 0 nothing is run. */
  grid: Size3;
  /** Threads of a block. */
  block: Size3;
  /** Bytes of dynamic shared memory of a block; 0 where left out. */
  sharedBytes?: number;
  /** The kernel's parameters: a tensor for a pointer to its elements, and numbers with their type. */
  args: readonly (TensorInfo | KernelArgument)[];
}

function toSizes(size: Size3): [number, number, number] {
  const [x, y = 1, z = 1] = typeof size === 'number' ? [size] : size;
  return [x, y, z];
}

/** Kernels of an author's own. Made by {@link CudaBackend.loadModule}. */
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
   * Launches a kernel after all that was launched before. Nothing waits for it but reads.
   *
   * @param functionName Its name in the module: with `extern "C"` the one in the source.
   * @throws AttentionError `ERR_RANGE` for a name or sizes that do not exist, `ERR_DEVICE` for a launch that fails.
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
