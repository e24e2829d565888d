import type { NativeDevice, NativeLibrary, NativePipeline } from './addon.ts';
import type { FunctionConstants } from './launch.ts';
import { checkDeclarations } from './shader_declarations.ts';
import type { ShaderKernel } from './shader_kernel.ts';

/** Shader source that is compiled at its first use, once per set of function constants. */
export class ShaderLibrary {
  readonly #name: string;
  readonly #device: NativeDevice;
  readonly #source: string;
  readonly #checked = new Set<ShaderKernel>();
  readonly #pipelines = new Map<string, NativePipeline>();
  #library: NativeLibrary | undefined;

  /** @param name Name of the library in errors. */
  constructor(device: NativeDevice, name: string, source: string) {
    this.#device = device;
    this.#name = name;
    this.#source = source;
  }

  /** @throws AttentionError `ERR_DEVICE` if the source does not compile or does not match the kernel's tables. */
  pipeline(
    kernel: ShaderKernel,
    variant: string | undefined,
    constants: FunctionConstants | undefined,
  ): NativePipeline {
    const name = kernel.place.function;
    const functionName = variant === undefined ? name : `${name}_${variant}`;
    let key = functionName;
    for (const constant in constants) key += `\0${constant}=${constants[constant]}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline || !this.#checked.has(kernel)) {
      if (!this.#checked.has(kernel)) checkDeclarations(this.#name, this.#source, kernel);
      this.#library ??= this.#device.makeLibrary(this.#name, this.#source);
      pipeline ??= this.#device.makePipeline(this.#library, functionName, constants ?? {});
      this.#checked.add(kernel);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }
}
