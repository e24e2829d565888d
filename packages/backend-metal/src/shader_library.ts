import type { NativeDevice, NativeLibrary, NativePipeline } from './addon.ts';
import type { FunctionConstants } from './dispatch.ts';

/** Shader source, compiled when it is first used; so is each set of function constants. */
export class ShaderLibrary {
  /** Name of the library in errors. */
  readonly name: string;
  readonly #device: NativeDevice;
  readonly #source: string;
  readonly #pipelines = new Map<string, NativePipeline>();
  #library: NativeLibrary | undefined;

  /** @internal Use {@link MetalBackend.library}. */
  constructor(device: NativeDevice, name: string, source: string) {
    this.#device = device;
    this.name = name;
    this.#source = source;
  }

  /** @internal */
  pipeline(functionName: string, constants: FunctionConstants | undefined): NativePipeline {
    let key = functionName;
    for (const name in constants) key += `\0${name}=${constants[name]}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      this.#library ??= this.#device.makeLibrary(this.name, this.#source);
      pipeline = this.#device.makePipeline(this.#library, functionName, constants ?? {});
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }
}
