import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { storageOf } from '../storage/storage_backend.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { cacheShapes } from '../testing/cache_index.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { castStorage } from './cast_storage.ts';
import { copyBlocks, copyBlocksOp } from './copy_blocks.ts';

const cases = (['flash', 'vllm'] as const).flatMap((layout) =>
  ELEMENT_STORAGE_TYPES.map((storage) => [layout, storage] as const),
);

/** The blocks of a cache's values, copied pair after pair. */
function reference(values: ArrayLike<number>, numBlocks: number, pairs: number[]): number[] {
  const length = values.length / numBlocks;
  const blocks = Array.from({ length: numBlocks }, (_, block) =>
    Array.from(values).slice(block * length, (block + 1) * length),
  );
  for (let i = 0; i < pairs.length; i += 2) blocks[pairs[i + 1]] = blocks[pairs[i]];
  return blocks.flat();
}

describeOnBackends('copyBlocks', (backendName) => {
  test.each(cases)('copies in every layer, layout %s, %s', (layout, storage) => {
    const shapes = cacheShapes({ layout, numBlocks: 6, blockSize: 8, kvHeads: 2, headSize: 8, storage });
    const random = new Random(1);
    const draw = (shape: number[]) => {
      const { tensor, values } = randomTensor(random, shape, storage);
      return { tensor, before: [...values] };
    };
    const layers = Array.from({ length: 3 }, () => ({ key: draw(shapes.key), value: draw(shapes.value) }));
    const pairs = [0, 5, 2, 1, 0, 4];
    copyBlocks(
      layers.map(({ key }) => key.tensor),
      layers.map(({ value }) => value.tensor),
      Int32Array.from(pairs),
    );
    for (const { tensor, before } of layers.flatMap(({ key, value }) => [key, value])) {
      expect([...tensor.dataSync()]).toEqual(reference(before, 6, pairs));
      expect(storageOf(tensor)).toBe(storage);
    }
  });

  const shape = [4, 8, 1, 8];

  test.each([
    ['a chain', [0, 1, 1, 2]],
    ['a source that was overwritten', [0, 1, 2, 0]],
    ['a destination twice', [0, 3, 1, 3]],
    ['a block onto itself', [1, 1, 1, 2]],
    ['a swap through a third block', [0, 3, 1, 0, 3, 1]],
    ['nothing', []],
  ])('copies pair after pair: %s', (_title, pairs) => {
    const key = randomTensor(new Random(2), shape);
    const before = [...key.values];
    copyBlocks([key.tensor], [tf.zeros(shape)], Int32Array.from(pairs));
    expect([...key.tensor.dataSync()]).toEqual(reference(before, 4, pairs));
  });

  test('takes no layers', () => {
    expect(() => copyBlocks([], [], Int32Array.of(0, 1))).not.toThrow();
  });

  test('leaks nothing', () => {
    const cache = tf.zeros(shape);
    const values = tf.zeros(shape);
    expectNoLeak(() => copyBlocks([cache], [values], Int32Array.of(0, 1, 1, 2)));
  });

  test('refuses to be recorded', () => {
    const cache = tf.zeros(shape);
    const call = tf.grad((x: tf.Tensor) => (copyBlocks([cache], [cache], Int32Array.of(0, 1)), tf.square(x)));
    expectAttentionError(
      () => call(tf.scalar(1)),
      'ERR_UNSUPPORTED',
      /^\[copyBlocks\] keyCache, valueCache: expected no gradient recording, since it is written in place/,
    );
  });

  test('names argument, expected and received, before anything is copied', () => {
    const [key, value] = [tf.zeros(shape), tf.zeros(shape)];
    const pairs = Int32Array.of(0, 1);
    const ones = tf.concat([tf.ones([1, 8, 1, 8]), tf.zeros([3, 8, 1, 8])]);
    expectAttentionError(
      () => copyBlocks([key], [value], Int32Array.of(0, 4)),
      'ERR_RANGE',
      '[copyBlocks] pairs[1]: expected a block >= 0 and < 4, received 4',
    );
    expectAttentionError(
      () => copyBlocks([key], [value], Int32Array.of(0, 1, -1, 2)),
      'ERR_RANGE',
      '[copyBlocks] pairs[2]: expected a block >= 0 and < 4, received -1',
    );
    expectAttentionError(
      () => copyBlocks([key], [value], Int32Array.of(0, 1, 2)),
      'ERR_SHAPE',
      '[copyBlocks] pairs: expected an even length, received 3',
    );
    expectAttentionError(
      () => copyBlocks([key], [value], [0, 1] as unknown as Int32Array),
      'ERR_DTYPE',
      '[copyBlocks] pairs: expected an Int32Array of source, destination, source, …, received [0, 1]',
    );
    expectAttentionError(
      () => copyBlocks([key, key], [value], pairs),
      'ERR_SHAPE',
      '[copyBlocks] valueCaches: expected 2 layers to match keyCaches, received 1',
    );
    expectAttentionError(
      () => copyBlocks(key as unknown as tf.Tensor[], [value], pairs),
      'ERR_DTYPE',
      '[copyBlocks] keyCaches: expected an array of Tensors, received float32 tensor of shape [4, 8, 1, 8]',
    );
    expectAttentionError(
      () => copyBlocks([ones, tf.zeros([5, 8, 1, 8])], [value, value], pairs),
      'ERR_SHAPE',
      '[copyBlocks] keyCaches[1]: expected shape [4, 8, 1, 8] to match the first layer, received [5, 8, 1, 8]',
    );
    expectAttentionError(
      () => copyBlocks([ones, zerosWithStorage(shape, 'float16')], [value, value], pairs),
      'ERR_DTYPE',
      '[copyBlocks] keyCaches[1]: expected storage float32 to match the first layer, received float16',
    );
    const gone = tf.zeros(shape);
    gone.dispose();
    expectAttentionError(
      () => copyBlocks([ones, ones], [value, gone], pairs),
      'ERR_DISPOSED',
      '[copyBlocks] valueCaches[1]: expected a live tensor, received a disposed one',
    );
    expectAttentionError(
      () => copyBlocks([ones], [tf.zeros([4, 8, 1, 16])], pairs),
      'ERR_SHAPE',
      '[copyBlocks] valueCache: expected shape [4, 8, 1, 8] to match keyCache, received [4, 8, 1, 16]',
    );
    expect(tf.sum(ones).dataSync()[0]).toBe(64);
  });

  test('copies nothing if a later layer is refused', () => {
    const [keys, values, shared] = [0, 1, 2].map(() =>
      tf.concat([tf.ones([1, 8, 1, 8]), tf.zeros([3, 8, 1, 8])]),
    );
    expectAttentionError(
      () => copyBlocks([keys, shared], [values, shared], Int32Array.of(0, 1)),
      'ERR_UNSUPPORTED',
      '[copyBlocks] valueCache: expected its own data, received the data of keyCache',
    );
    expect([keys, values].map((cache) => tf.sum(cache).dataSync()[0])).toEqual([64, 64]);
  });

  test('refuses pairs whose memory went to another thread', () => {
    const pairs = Int32Array.of(0, 1);
    structuredClone(pairs.buffer, { transfer: [pairs.buffer] });
    expectAttentionError(
      () => copyBlocks([tf.zeros(shape)], [tf.zeros(shape)], pairs),
      'ERR_DTYPE',
      '[copyBlocks] pairs: expected an Int32Array of source, destination, source, …, received one whose buffer is detached',
    );
  });

  test('the op itself takes independent pairs alone', () => {
    expectAttentionError(
      () =>
        copyBlocksOp(
          { keyCache: tf.zeros(shape), valueCache: tf.zeros(shape) },
          { pairs: Int32Array.of(0, 1, 1, 2) },
        ),
      'ERR_RANGE',
      '[copyBlocks] pairs: expected copies that do not depend on each other, received [0, 1, 1, 2]',
    );
  });

  if (backendName !== 'cpu') {
    test('copies nothing if a cache of a later layer lives on another backend', async () => {
      await tf.setBackend('cpu');
      const foreign = zerosWithStorage(shape, 'float16');
      await tf.setBackend(backendName);
      const ones = castStorage(tf.concat([tf.ones([1, 8, 1, 8]), tf.zeros([3, 8, 1, 8])]), 'float16');
      const [value, other] = [zerosWithStorage(shape, 'float16'), zerosWithStorage(shape, 'float16')];
      expectAttentionError(
        () => copyBlocks([ones, foreign], [value, other], Int32Array.of(0, 1)),
        'ERR_UNSUPPORTED',
        /^\[moveData\] a float16 tensor stays on the backend that created it/,
      );
      expect(tf.sum(castStorage(ones, 'float32')).dataSync()[0]).toBe(64);
    });
  }

  if (backendName === 'cpu') {
    test('copies nothing if a cache of a later layer cannot be written to', () => {
      const ones = tf.concat([tf.ones([1, 8, 1, 8]), tf.zeros([3, 8, 1, 8])]);
      const ints = tf.cast(tf.zeros(shape, 'int32'), 'float32');
      for (const values of [
        [tf.zeros(shape), ints],
        [ints, tf.zeros(shape)],
      ]) {
        expectAttentionError(
          () => copyBlocks([ones, tf.zeros(shape)], values, Int32Array.of(0, 1)),
          'ERR_UNSUPPORTED',
          /^\[copyBlocks\] valueCache: expected unshared float32 memory/,
        );
      }
      expect(tf.sum(ones).dataSync()[0]).toBe(64);
    });

    test('does not write into the int32 tensor behind tf.cast', () => {
      const ints = tf.reshape(tf.range(0, 256, 1, 'int32'), shape);
      const floats = tf.cast(ints, 'float32');
      expectAttentionError(
        () => copyBlocks([floats], [floats], Int32Array.of(0, 1)),
        'ERR_UNSUPPORTED',
        /^\[copyBlocks\] keyCache: expected unshared float32 memory/,
      );
      expect(ints.dataSync()[255]).toBe(255);
    });
  }
});
