import { DeviceBackend } from '@attention-js/backend-common';
import type { Launches } from '@attention-js/backend-common';
import type { DeviceMemoryInfo, StorageType } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeDevice } from './addon.ts';
import { MetalMemory } from './device_memory.ts';
import type { MetalBuffer } from './device_memory.ts';
import type { Dispatch } from './dispatch.ts';
import { launches } from './launches/index.ts';
import { MSL_TYPES } from './msl_types.ts';
import { packParams } from './params.ts';
import { ShaderLibrary } from './shader_library.ts';
import { inlineHeaders, shaderSource } from './shader_source.ts';

const NO_PARAMS = new Uint8Array(0);

/**
 * tfjs on an Apple GPU. Tensors live in memory that CPU and GPU share: shaders and tfjs's own `cpu` kernels work on the
 * same bytes. Kernels reach it with {@link makeOutput} and {@link dispatch}.
 */
export class MetalBackend extends DeviceBackend<MetalBuffer> {
  /** @internal */
  readonly launches: Launches = launches;
  readonly #device: NativeDevice;
  readonly #memory: MetalMemory;
  readonly #libraries = new Map<string, ShaderLibrary>();
  /** Bound in place of tensors that were left out. */
  readonly #absentTensor: MetalBuffer;

  /** @internal The package makes the one instance. */
  constructor(device: NativeDevice) {
    const memory = new MetalMemory(device);
    super(memory);
    this.#device = device;
    this.#memory = memory;
    this.#absentTensor = memory.allocate(16);
  }

  /** What the device calls itself. */
  get deviceName(): string {
    return this.#device.name;
  }

  /** The GPU's memory: of the working set that Metal recommends, what the process has not allocated. */
  memoryInfo(): DeviceMemoryInfo | undefined {
    const memory = this.#device.isEmulated ? undefined : this.#device.memory?.();
    if (!memory) return undefined;
    const { allocated, recommended } = memory;
    return { free: recommended - allocated - this.#memory.takeGrowth(), total: recommended };
  }

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
   * @param source Metal Shading Language 3.1. `#include "common/pack.h"` finds the headers of this package.
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
    const buffers = call.buffers.map((tensor) => (tensor ? this.bufferOf(tensor) : this.#absentTensor));
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
}
