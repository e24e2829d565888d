const { PI, cos, floor, imul, log, sqrt } = Math; // in a vm context (jest), each access to a global is a slow lookup

/** A small seeded generator (mulberry32), so that every test draws the same numbers on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = imul(t ^ (t >>> 15), t | 1);
    t ^= t + imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + floor(this.uniform() * (high - low + 1));
  }

  /** One of `items`. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)];
  }

  /** `size` standard normal numbers times `scale`, as float32. */
  normal(size: number, scale = 1): Float32Array {
    return Float32Array.from({ length: size }, () => {
      const radius = sqrt(-2 * log(1 - this.uniform()));
      return scale * radius * cos(2 * PI * this.uniform());
    });
  }

  /** A random order of 0..n-1. */
  permutation(n: number): number[] {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
