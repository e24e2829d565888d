import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { detachBytes } from './hostile_values.js';

const root = new URL('../../', import.meta.url);
const hasGpu = existsSync('/dev/nvidiactl') && process.env.ATTENTION_CUDA_EMULATOR !== '1';
const addonFile =
  process.env.ATTENTION_FUZZ_ADDON ??
  `packages/backend-cuda/build/${hasGpu ? 'cuda' : 'emulator'}/Release/attention_cuda.node`;

/** Size of an allocation: enough for everything that the operation below may read or write. */
const BYTES = 4096;
const FLOAT32 = 0;

/** The CUDA addon (on its emulator if there is no GPU): a context with memory, stopwatches and modules. */
export function openSubject(makeError, random) {
  const addon = createRequire(root)(fileURLToPath(new URL(addonFile, root)));
  const { NativeContext, operations } = addon;
  const options = { ordinal: 0 };
  const context = new NativeContext(makeError, options);
  const stopwatches = [context.startStopwatch()];
  const allocations = Array.from({ length: 8 }, () => context.allocate(BYTES));
  const pinned = [context.allocatePinned(BYTES)];
  const anAllocation = () => random.pick(allocations);
  const anAddress = () => (random.chance(0.1) ? random.pick([0, 8, BYTES, 2 ** 40]) : anAllocation());

  const silu = operations.findIndex(({ name }) => name === 'siluAndMul');

  /** Parameters of siluAndMul for some rows of 2 x 16 floats, sometimes with invalid addresses or types. */
  function siluParameters() {
    const block = new ArrayBuffer(operations[silu].byteLength);
    const view = new DataView(block);
    for (const offset of [0, 16]) {
      view.setBigUint64(offset, BigInt(anAddress()), true);
      view.setInt32(offset + 8, random.chance(0.9) ? FLOAT32 : random.pick([-1, 3, 100]), true);
    }
    view.setBigInt64(32, BigInt(random.pick([0, 1, 7, 32, -1])), true);
    view.setInt32(40, random.pick([0, 1, 16, -16]), true);
    return block;
  }

  const validArguments = {
    run: () => [silu, siluParameters()],
    allocate: () => [random.pick([0, 1, 16, BYTES, 2 ** 20, 2 ** 50, 2 ** 62])],
    free: () => [anAddress()],
    allocatePinned: () => [random.pick([0, 1, 16, BYTES, 2 ** 50])],
    freePinned: () => [random.chance(0.5) ? random.pick(pinned) : anAddress()],
    upload: () => [anAddress(), new Uint8Array(random.below(2 * BYTES))],
    fillBytes: () => [anAddress(), random.below(256), random.below(2 * BYTES)],
    download: () => [anAddress(), new Uint8Array(random.below(2 * BYTES))],
    downloadAsync: () => [anAddress(), random.below(2 * BYTES)],
    stopStopwatch: () => [random.pick(stopwatches)],
    milliseconds: () => [random.pick(stopwatches)],
    loadModule: () => [new Uint8Array(random.below(64))],
    launchModule: () => [
      random.pick(stopwatches),
      'f',
      new Float64Array([1, 1, 1, 1, 1, 1, 0]),
      new Uint8Array(8),
      new Float64Array([0]),
    ],
  };

  return {
    constructor: NativeContext,
    constructorArguments: () => [makeError, options],
    receiver: () => context,
    /** Calls that take a while and allocate, for threads that are terminated during them. */
    work: () => [
      ['upload', [allocations[0], new Uint8Array(BYTES)]],
      ['run', [silu, siluParameters()]],
      ['downloadAsync', [allocations[0], BYTES]],
      ['memory', []],
    ],
    valid: (key) => validArguments[key]?.() ?? [],
    handles: () => [context, ...stopwatches],
    allows: () => true,
    keep(key, result, args) {
      if (key === 'startStopwatch') stopwatches[random.below(4)] = result;
      if (key === 'allocate' && args[0] >= BYTES) allocations[random.below(allocations.length)] = result;
      if (key === 'allocatePinned' && args[0] >= BYTES) pinned[random.below(4)] = result;
      // Keeps some freed addresses among the others.
      const i = allocations.indexOf(args[0]);
      if (key === 'free' && i >= 0 && random.chance(0.9)) allocations[i] = context.allocate(BYTES);
    },
    sabotage(args) {
      detachBytes(args);
      const i = random.below(allocations.length);
      context.free(allocations[i]);
      allocations[i] = context.allocate(BYTES);
    },
  };
}
