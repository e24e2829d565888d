import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { detachBytes } from './hostile_values.js';

const root = new URL('../../', import.meta.url);
const addonFile = process.env.ATTENTION_FUZZ_ADDON ?? 'packages/backend-metal/build/attention_metal.node';

// Accesses only the first 16 bytes of each buffer, which all buffers have.
const source = `
#include <metal_stdlib>
using namespace metal;

constant bool negate [[function_constant(0)]];
constant int power [[function_constant(1)]];
constant float factor [[function_constant(2)]];

struct Params {
  uint offset;
  float scale;
};

kernel void scale(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  constant Params& params [[buffer(2)]], threadgroup float* shared [[threadgroup(0)]],
                  uint i [[thread_index_in_threadgroup]]) {
  shared[i & 3] = x[i & 3];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i & 3] = shared[(i + params.offset) & 3] * params.scale * (negate ? -factor : factor) + power;
}
`;

/** The Metal addon: a device with buffers, libraries and pipelines. */
export function openSubject(makeError, random) {
  const { NativeDevice } = createRequire(root)(fileURLToPath(new URL(addonFile, root)));
  const options = {
    cacheFolder: fileURLToPath(new URL('node_modules/.cache/attention-js/metal', root)),
    sourceFolder: fileURLToPath(new URL('emulator/metal', root)),
    checked: false,
  };
  const device = new NativeDevice(makeError, options);
  const library = device.makeLibrary('fuzz', source);
  const constants = () => ({ negate: random.chance(0.5), power: random.below(3), factor: 0.5 });
  const pipelines = [device.makePipeline(library, 'scale', constants())];
  const buffers = Array.from({ length: 8 }, () => device.makeBuffer(16));
  const aBuffer = () => random.pick(buffers);

  const validArguments = {
    makeBuffer: () => [random.pick([0, 1, 16, 1000, 2 ** 20, 2 ** 33, 2 ** 40])],
    contents: () => [aBuffer()],
    fillBuffer: () => [aBuffer(), random.below(256)],
    writeBuffer: () => [aBuffer(), new Uint8Array(random.below(17))],
    readBuffer: () => [aBuffer(), new Uint8Array(random.below(17))],
    freeBuffer: () => [aBuffer()],
    makeLibrary: () => ['fuzz', source],
    makePipeline: () => [library, 'scale', constants()],
    dispatch: () => [
      random.pick(pipelines),
      [aBuffer(), aBuffer()],
      new Uint8Array(8),
      [1 + random.below(3), 1, 1, 1 + random.below(64), 1, 1],
      16,
    ],
  };

  return {
    constructor: NativeDevice,
    constructorArguments: () => [makeError, options],
    receiver: () => device,
    /** Calls that take a while and allocate, for threads that are terminated during them. */
    work: () => [
      ...['makeBuffer', 'contents', 'dispatch', 'wait', 'makePipeline'].map((key) => [
        key,
        validArguments[key]?.() ?? [],
      ]),
      ['waitAsync', []],
    ],
    valid: (key) => validArguments[key]?.() ?? [],
    handles: () => [device, library, ...pipelines, ...buffers],
    /** Skips most new shaders, which take a second to compile, and grids that are valid but take forever. */
    allows(key, args) {
      if (key === 'makeLibrary')
        return typeof args[1] !== 'string' || args[1] === source || random.chance(0.02);
      if (key !== 'dispatch' || !Array.isArray(args[3]) || types.isProxy(args[3])) return true;
      const sizes = [0, 1, 2].map((i) => Object.getOwnPropertyDescriptor(args[3], i)?.value);
      return !(sizes.every((size) => Number.isInteger(size)) && sizes[0] * sizes[1] * sizes[2] > 1000);
    },
    keep(key, result, args) {
      if (key === 'makeBuffer' && args[0] <= 2 ** 20) buffers[random.below(buffers.length)] = result;
      if (key === 'makePipeline') pipelines[random.below(4)] = result;
      // Keeps some freed buffers among the others.
      const i = buffers.indexOf(args[0]);
      if (key === 'freeBuffer' && i >= 0 && random.chance(0.9)) buffers[i] = device.makeBuffer(16);
    },
    sabotage(args) {
      detachBytes(args);
      const i = random.below(buffers.length);
      device.freeBuffer(buffers[i]);
      buffers[i] = device.makeBuffer(16);
    },
  };
}
