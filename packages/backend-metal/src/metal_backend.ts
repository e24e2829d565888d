import { DeviceBackend, deviceKernel } from '@attention-js/backend-common';
import type {
  DeviceKernel,
  Launches,
  NamedTensors,
  ParamFields,
  ParamValues,
} from '@attention-js/backend-common';
import type { DeviceMemoryInfo, ElementStorage } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeDevice } from './addon.ts';
import { MetalMemory } from './device_memory.ts';
import type { MetalBuffer } from './device_memory.ts';
import type { Launch } from './launch.ts';
import { launches } from './launches/index.ts';
import { MSL_TYPES } from './msl_types.ts';
import type { ShaderKernel } from './shader_kernel.ts';
import { ShaderLibrary } from './shader_library.ts';
import { inlineHeaders, shaderSource } from './shader_source.ts';

/** Options of a backend, for tests. */
export interface MetalOptions {
  /** Number of splits of the keys in attention. Default: chosen by the grid. */
  splits?: number;
}

/**
 * tfjs on an Apple GPU. Tensors live in memory shared by CPU and GPU, so shaders and tfjs's `cpu` kernels use the same
 * bytes. Kernels use {@link makeOutput} and {@link run}.
 */
export class MetalBackend extends DeviceBackend<MetalBuffer> {
  /** @internal */
  readonly launches: Launches = launches;
  /** @internal Number of splits of the keys in attention. */
  readonly splits: number | undefined;
  readonly #device: NativeDevice;
  readonly #memory: MetalMemory;
  readonly #libraries = new Map<string, ShaderLibrary>();
  /** Bound in place of omitted tensors. */
  readonly #absentTensor: MetalBuffer;

  /** @internal The package creates the instances. */
  constructor(device: NativeDevice, { splits }: MetalOptions = {}) {
    const memory = new MetalMemory(device);
    super(memory);
    this.splits = splits;
    this.#device = device;
    this.#memory = memory;
    this.#absentTensor = memory.allocate(16);
  }

  /** The device's name. */
  get deviceName(): string {
    return this.#device.name;
  }

  /** The GPU's memory: Metal's recommended working set, and the part of it that the process has not allocated. */
  memoryInfo(): DeviceMemoryInfo | undefined {
    if (this.#device.isEmulated) return undefined;
    const { allocated, recommended } = this.#device.memory();
    return { free: recommended - allocated - this.#memory.takeGrowth(), total: recommended };
  }

  /** The Metal type of a tensor's or a storage type's elements: `float`, `half`, `bfloat` or `int`. */
  mslType(of: TensorInfo | ElementStorage): string {
    if (typeof of === 'string') return MSL_TYPES[of];
    return of.dtype === 'float32' ? MSL_TYPES[this.elementStorageOf(of.dataId)] : 'int';
  }

  /**
   * Runs a kernel on tensors, after all work run before. Only reads wait for it.
   *
   * @param kernel The kernel, and the tables of its tensors and parameters.
   * @param tensors Inputs and outputs by name.
   * @param params The other parameters by name.
   * @param launch Variant, function constants and grid.
   * @throws AttentionError `ERR_RANGE` or `ERR_DTYPE` for invalid parameters; `ERR_DEVICE` if the shader does not
   * compile or does not match the tables, or the device does not support the launch.
   */
  run<Name extends string, Fields extends ParamFields>(
    kernel: ShaderKernel<Name, Fields>,
    tensors: NamedTensors<Name>,
    params: ParamValues<Fields>,
    launch: Launch,
  ): void {
    const [x, y, z] = launch.threadgroups;
    if (x === 0 || y === 0 || z === 0) return;
    const given = tensors as Readonly<Record<string, TensorInfo | undefined>>;
    const buffers = kernel.tensorNames.map((name) => {
      const tensor = given[name];
      return tensor ? this.bufferOf(tensor) : this.#absentTensor;
    });
    const pipeline = this.#library(kernel).pipeline(kernel, launch.variant, launch.constants);
    kernel.packParams(params);
    this.#device.dispatch(
      pipeline,
      buffers.map(({ native }) => native),
      kernel.block,
      [x, y, z, ...launch.threads],
      launch.threadgroupBytes ?? 0,
    );
    this.#memory.use(buffers);
  }

  /** The library of a kernel: one per file of this package, and per source of users' kernels. */
  #library({ place: { shader, source } }: ShaderKernel): ShaderLibrary {
    const key = source ?? shader;
    let library = this.#libraries.get(key);
    if (!library) {
      const text = source === undefined ? shaderSource(shader) : inlineHeaders(source);
      library = new ShaderLibrary(this.#device, shader, text);
      this.#libraries.set(key, library);
    }
    return library;
  }
}

/**
 * Registers an op's kernel for the backend `metal`. The kernel creates its outputs with {@link MetalBackend.makeOutput}
 * and fills them with {@link MetalBackend.run}.
 */
export const metalKernel: DeviceKernel<MetalBackend> = deviceKernel<MetalBackend>('metal');
