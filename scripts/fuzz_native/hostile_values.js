/** The error that hostile getters and functions throw. */
export class Thrown extends Error {}

const thrower = () => {
  throw new Thrown('by the fuzzer');
};

function detached(length) {
  const array = new Uint8Array(length);
  structuredClone(array, { transfer: [array.buffer] });
  return array;
}

/** Transfers the memory of every byte array among a call's arguments away. */
export function detachBytes(args) {
  for (const arg of args) {
    if (arg instanceof Uint8Array && arg.buffer instanceof ArrayBuffer && arg.byteLength > 0) {
      structuredClone(arg, { transfer: [arg.buffer] });
    }
  }
}

const makers = [
  () => undefined,
  () => null,
  () => true,
  () => NaN,
  () => -1,
  () => 0,
  () => 1,
  () => 7,
  () => 0.5,
  () => -0,
  () => Infinity,
  () => -Infinity,
  () => 2 ** 31,
  () => 2 ** 32,
  () => 2 ** 53,
  () => 2 ** 64,
  () => 1e308,
  () => 5n,
  () => -(2n ** 70n),
  () => '',
  () => 'text',
  () => '\0\ud800',
  () => 'x'.repeat(100_000),
  () => Symbol('x'),
  () => ({}),
  () => Object.create(null),
  () => ({ valueOf: thrower, toString: thrower }),
  () => [],
  () => [1, 2, 3],
  () => [undefined],
  () => Array.from({ length: 1000 }, () => 0),
  () => Object.assign([], { length: 2 ** 32 - 1 }),
  () => new Proxy([], { get: thrower, getOwnPropertyDescriptor: thrower, ownKeys: thrower }),
  () => Object.defineProperty([1, 2, 3, 4, 5, 6], 1, { get: thrower }),
  () => Object.defineProperty({}, 'x', { get: thrower, enumerable: true }),
  () => new Proxy({}, { ownKeys: thrower, get: thrower }),
  () => () => 1,
  () => thrower,
  () => Map,
  () => new Date(NaN),
  () => /x/,
  () => new Map(),
  () => Promise.resolve(1),
  () => new Uint8Array(0),
  () => new Uint8Array(16),
  () => new Uint8Array(5000),
  () => new Uint8Array(new SharedArrayBuffer(16)),
  () => new Uint8Array(new ArrayBuffer(16, { maxByteLength: 64 })),
  () => detached(16),
  () => new Float64Array(2),
  () => new Float64Array([NaN, -1, 1e300]),
  () => new BigInt64Array(1),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => globalThis,
];

/** Makes values that no native function expects, and handles of the wrong kind. */
export class HostileValues {
  #random;
  #subject;

  /** `subject.handles()` returns objects of the addon. */
  constructor(random, subject) {
    this.#random = random;
    this.#subject = subject;
  }

  any() {
    const handles = this.#subject.handles();
    if (handles.length > 0 && this.#random.chance(0.3)) return this.#random.pick(handles);
    return this.#random.pick(makers)();
  }

  list(length) {
    return Array.from({ length }, () => this.any());
  }

  /** Valid arguments, or valid ones with one of them replaced, missing, added, or hostile inside. */
  mutated(valid) {
    const args = [...valid];
    const kind = this.#random.below(8);
    if (kind === 0 || args.length === 0) return args;
    const i = this.#random.below(args.length);
    if (kind === 1) return args.slice(0, i);
    if (kind === 2) return [...args, this.any()];
    if (kind === 3 && Array.isArray(args[i]) && args[i].length > 0) {
      const inner = [...args[i]];
      inner[this.#random.below(inner.length)] = this.any();
      args[i] = inner;
      return args;
    }
    if (kind === 4 && Array.isArray(args[i])) {
      // Reading this element frees objects that the call is using.
      const inner = [...args[i]];
      const at = this.#random.below(inner.length + 1);
      const last = inner[at];
      Object.defineProperty(inner, at, { get: () => (this.#subject.sabotage(args), last) });
      args[i] = inner;
      return args;
    }
    args[i] = this.any();
    return args;
  }
}
