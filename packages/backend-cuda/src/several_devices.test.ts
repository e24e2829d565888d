import { fileURLToPath } from 'node:url';
import { Engine, loadModel } from '@attention-js/llm';
import * as tf from '@attention-js/core/tf';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { TOLERANCE, relativeError } from '../../core/src/testing/compare.ts';
import { Random } from '../../core/src/testing/random.ts';
import type { CudaBackend } from './cuda_backend.ts';
import { registerCudaDevice } from './index.ts';
import { alive, cuda, describeOnDevices, hasGpu } from './testing/cuda.ts';
import { negate } from './testing/negate.ts';

const NAMES = ['cuda', 'cuda:1'];

const { floor } = Math;
const close = (values: Iterable<number>) => Array.from(values, (value) => expect.closeTo(value, 4));
const run = () => void tf.tidy(() => tf.ones([1000]).add(1));
const ints = (values: number[], shape = [values.length]) => tf.tensor(values, shape, 'int32');

/** The same numbers on every backend. */
const draw = (seed: number, shape: number[], storage: tf.ElementStorage = 'float32') =>
  tf.castStorage(tf.tensor(new Random(seed).normal(tf.util.sizeFromShape(shape)), shape), storage);

async function on<Result>(name: string, body: () => Result): Promise<Result> {
  await tf.setBackend(name);
  return body();
}

/** Chunked prefill with a head size that needs more than the default limit of shared memory. */
function attend(storage: tf.ElementStorage): tf.Tensor[] {
  const [tokens, heads, kvHeads, headSize, blockSize] = [40, 4, 2, 256, 16];
  using cache = new tf.PagedKVCache({
    numLayers: 1,
    numBlocks: 4,
    blockSize,
    numKvHeads: kvHeads,
    headSize,
    storage,
  });
  const { keyCache, valueCache } = cache.layer(0);
  const blockTables = tf.tensor2d([2, 0, 3], [1, 3], 'int32');
  return [tokens, 1].map((count, step) => {
    const first = step * tokens;
    const positions = Array.from({ length: count }, (_, i) => first + i);
    const slots = positions.map((p) => [2, 0, 3][floor(p / blockSize)] * blockSize + (p % blockSize));
    const [key, value] = [1, 2].map((seed) => draw(seed + first, [count, kvHeads, headSize], storage));
    tf.reshapeAndCache(key, value, keyCache, valueCache, ints(slots));
    const query = draw(3 + first, [count, heads, headSize], storage);
    const contextLens = ints([first + count]);
    return tf.pagedAttention(query, keyCache, valueCache, {
      blockTables,
      contextLens,
      cuSeqlensQ: ints([0, count]),
    });
  });
}

const calls: Record<string, () => tf.Tensor[]> = {
  rmsNorm: () => [tf.rmsNorm(draw(1, [5, 512], 'float16'), draw(2, [512], 'float16'), { epsilon: 1e-5 })],
  matMul: () => [tf.matMul(draw(1, [64, 96]), draw(2, [96, 80]))],
  'linear, half precision': () => [tf.linear(draw(1, [64, 128], 'bfloat16'), draw(2, [96, 128], 'bfloat16'))],
  'attention, float32': () => attend('float32'),
  'attention, float16': () => attend('float16'),
  'attention, bfloat16': () => attend('bfloat16'),
  sampleTokens: () => [
    tf.sampleTokens(draw(1, [4, 1000]), { seeds: 7, positions: [0, 1, 2, 3], temperature: [0, 1, 1, 2] }),
  ],
  fusedMoe: () => [
    tf.fusedMoe(
      draw(1, [6, 32], 'bfloat16'),
      draw(2, [4, 64, 32], 'bfloat16'),
      draw(3, [4, 32, 32], 'bfloat16'),
      tf.ones([6, 2]),
      ints([0, 1, 2, 3, 1, 0, 3, 2, 0, 2, 1, 3], [6, 2]),
    ),
  ],
  'blocks swapped to the host': () => {
    const caches = (['device', 'host'] as const).map((memory) =>
      tf.zerosWithStorage([4, 8, 2, 32], 'float16', { memory }),
    );
    tf.assignStorage(caches[0], new Random(1).normal(caches[0].size));
    tf.swapBlocks(caches[0], caches[1], Int32Array.of(1, 2, 3, 0));
    return [caches[1]];
  },
  ...(hasGpu && { "an author's own": () => [negate(draw(1, [1000]))] }),
  "tfjs's own": () => {
    const x = draw(1, [8, 200]);
    return [
      x.softmax(),
      x.cumsum(1),
      x.argMax(1),
      ...Object.values(tf.topk(x, 5)),
      tf.gather(x, ints([7, 0])),
    ];
  },
};

describeOnDevices('two devices', () => {
  let second: CudaBackend;
  beforeAll(async () => {
    second = await on(registerCudaDevice(1), cuda);
    await tf.setBackend('cuda');
  });
  afterEach(async () => {
    await tf.setBackend('cuda');
  });

  test.each(Object.entries(calls))('%s gives the same on each', async (_, call) => {
    const results: Float32Array[][] = [];
    for (const name of [...NAMES, 'cuda']) {
      results.push(await on(name, () => call().map((tensor) => tensor.dataSync<'float32'>())));
    }
    const [first, other, again] = results;
    expect(other.map((values) => [...values])).toEqual(first.map(close));
    expect(again).toEqual(first);
    expect(first.every((values) => values.some((value) => value !== 0))).toBe(true);
  });

  // The emulator's second GPU has smaller tiles.
  test.each([64, 128, 256])('prompts with heads of %i elements agree', async (headSize) => {
    const attendPrompt = () => {
      const [query, key, value] = [4, 2, 2].map((heads, i) => draw(i, [256, heads, headSize], 'float16'));
      const ends = ints([0, 256]);
      const lengths = { cuSeqlensQ: ends, cuSeqlensK: ends };
      return tf.varlenAttention(query, key, value, lengths).dataSync<'float32'>();
    };
    const [expected, actual] = [await on('cuda', attendPrompt), await on('cuda:1', attendPrompt)];
    expect(relativeError(actual, expected)).toBeLessThan(TOLERANCE.float16);
  });

  test('work and reads run on both at once, and tensors can be disposed while the other is active', async () => {
    const [rounds, size] = [30, 5000];
    const reads: Promise<Float32Array>[] = [];
    let previous: tf.Tensor[] = [];
    for (let i = 0; i < rounds; i++) {
      for (const [k, name] of NAMES.entries()) {
        await tf.setBackend(name);
        tf.dispose(previous); // a tensor of the other backend
        const x = tf.tidy(() => tf.range(0, size).mul(k + 1));
        const sum = tf.tidy(() => x.add(i));
        reads.push(sum.data<'float32'>());
        previous = [x, sum];
      }
    }
    tf.dispose(previous);
    (await Promise.all(reads)).forEach((values, read) => {
      const [i, k] = [floor(read / 2), read % 2];
      expect([values[0], values[size - 1]]).toEqual([i, (size - 1) * (k + 1) + i]);
    });
  });

  test('tfjs moves float32 between them, also while it is being computed; half precision stays', async () => {
    const x = draw(1, [100, 100]).add(1);
    const half = tf.castStorage(x, 'float16');
    const expected = x.mul(2).sub(1).dataSync();
    const y = await on('cuda:1', () => x.mul(2));
    expect(() => half.add(1)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    const z = await on('cuda', () => y.sub(1));
    expect(await z.data()).toEqual(expected);
    expect(half.add(0).shape).toEqual([100, 100]);
  });

  test('each counts only its own memory', async () => {
    const [first, before] = [cuda(), cuda().memory()];
    const beforeSecond = second.memory();
    const caches = await on('cuda:1', () => [
      tf.zerosWithStorage([2 ** 20], 'float16'),
      tf.zerosWithStorage([1000], 'float16', { memory: 'host' }),
    ]);
    expect(second.memory().numBytesInGPU - beforeSecond.numBytesInGPU).toBe(2 ** 21);
    expect(second.memory().numBytesPinned - beforeSecond.numBytesPinned).toBe(2000);
    expect(first.memory()).toMatchObject({
      numBytesInGPU: before.numBytesInGPU,
      numBytesPinned: before.numBytesPinned,
      numBytesReserved: before.numBytesReserved,
    });
    const taken = [before.numBytesFree - first.memory().numBytesFree];
    taken.push(beforeSecond.numBytesFree - second.memory().numBytesFree);
    expect(first.isEmulated ? taken : [0, 2 ** 21]).toEqual([0, 2 ** 21]); // on GPUs, other processes also use memory
    await tf.setBackend('cuda');
    tf.dispose(caches);
    expect(second.memory().numBytesInGPU).toBe(beforeSecond.numBytesInGPU);
  });

  test('timings of both can be nested', async () => {
    const outer = cuda().time(run);
    const inner = await on('cuda:1', () => second.time(run));
    for (const { kernelMs } of [await outer, inner]) expect(kernelMs).toBeGreaterThanOrEqual(0);
  });

  test.each(['llama', 'qwen3_moe'])('%s generates the same tokens on each', async (family) => {
    const folder = fileURLToPath(new URL(`../../llm/fixtures/${family}`, import.meta.url));
    const generated: number[][] = [];
    for (const name of [...NAMES, 'cuda']) {
      await tf.setBackend(name);
      const before = alive();
      const model = await loadModel(folder);
      const engine = new Engine({ model, blockSize: 8, numBlocks: 64 });
      const prompt = Array.from({ length: 30 }, (_, i) => (i * i * 31 + 7) % model.config.vocabSize);
      const options = { maxTokens: 12, ignoreEos: true };
      const results = [options, { ...options, temperature: 0.9, seed: 3 }].map(
        (own) => engine.generate(prompt, own).result,
      );
      generated.push((await Promise.all(results)).flatMap(({ tokenIds }) => tokenIds));
      engine.dispose();
      model.dispose();
      expect(alive()).toEqual(before);
    }
    expect(generated[0]).toHaveLength(24);
    expect(generated.slice(1)).toEqual([generated[0], generated[0]]);
  });

  test('an engine throws if its backend is no longer active', async () => {
    await tf.setBackend('cuda:1');
    const model = await loadModel(fileURLToPath(new URL('../../llm/fixtures/llama', import.meta.url)));
    const engine = new Engine({ model, blockSize: 8, numBlocks: 64 });
    const { result } = engine.generate([1, 2, 3], { maxTokens: 100, ignoreEos: true });
    await tf.setBackend('cuda');
    await expect(result).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(/stays on the backend that created it: expected an op on that backend/),
    });
    engine.dispose();
    model.dispose();
  });

  test('removing one releases its memory, and does not affect the other', async () => {
    const x = tf.range(0, 5000).add(1);
    const y = await on('cuda:1', () => tf.range(0, 5000).mul(2));
    const reads = [x.data(), y.data()];
    await tf.setBackend('cuda');
    tf.removeBackend('cuda:1');
    expect(second.memory()).toMatchObject({ numBytesInGPU: 0, numBytesReserved: 0 });
    const [first, other] = await Promise.all(reads);
    expect([first[4999], other[4999]]).toEqual([5000, 9998]);
    expect(() => y.dataSync()).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    expect(x.add(1).dataSync()[4999]).toBe(5001);
    y.dispose();

    second = await on(registerCudaDevice(1), cuda); // again
    expect([...tf.range(0, 3).add(1).dataSync()]).toEqual([1, 2, 3]);
  });
});
