import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { storageOf } from '../storage/storage_backend.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { swapBlocks, swapBlocksOp } from './swap_blocks.ts';

const blockShapes = [
  [8, 2, 8],
  [2, 1, 8, 8],
];
const cases = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
  blockShapes.map((shape) => [storage, shape] as const),
);

describeOnBackends('swapBlocks', (backendName) => {
  test.each(cases)('moves %s blocks of %p to the host and back', (storage, blockShape) => {
    const device = randomTensor(new Random(1), [5, ...blockShape], storage);
    const host = zerosWithStorage([3, ...blockShape], storage, { memory: 'host' });
    const back = zerosWithStorage([5, ...blockShape], storage);
    const before = [...device.values];
    swapBlocks(device.tensor, host, Int32Array.of(4, 0, 1, 2));
    swapBlocks(host, back, Int32Array.of(0, 3, 2, 0));

    const block = (index: number) => before.slice(index * 128, (index + 1) * 128);
    const zeros = Array.from({ length: 128 }, () => 0);
    expect([...host.dataSync()]).toEqual([...block(4), ...zeros, ...block(1)]);
    expect([...back.dataSync()]).toEqual([...block(1), ...zeros, ...zeros, ...block(4), ...zeros]);
    expect([...device.tensor.dataSync()]).toEqual(before);
    expect(storageOf(host)).toBe(storage);
  });

  test('of two pairs with one destination the later counts', () => {
    const destination = tf.zeros([2, 1]);
    swapBlocks(tf.tensor2d([[1], [2]]), destination, Int32Array.of(0, 1, 1, 1));
    expect([...destination.dataSync()]).toEqual([0, 2]);
  });

  test('takes no pairs', () => {
    const destination = tf.zeros([2, 1]);
    swapBlocks(tf.ones([2, 1]), destination, new Int32Array(0));
    expect([...destination.dataSync()]).toEqual([0, 0]);
  });

  test('leaks nothing', () => {
    const [source, destination] = [tf.ones([2, 3]), tf.zeros([2, 3])];
    expectNoLeak(() => swapBlocks(source, destination, Int32Array.of(0, 1)));
  });

  test('refuses to be recorded', () => {
    const [source, destination] = [tf.ones([2, 3]), tf.zeros([2, 3])];
    const call = tf.grad((x: tf.Tensor) => {
      swapBlocks(source, destination, Int32Array.of(0, 1));
      return tf.square(x);
    });
    expectAttentionError(
      () => call(tf.scalar(1)),
      'ERR_UNSUPPORTED',
      /^\[swapBlocks\] destination: expected no gradient recording, since it is written in place/,
    );
  });

  test('names argument, expected and received', () => {
    const [source, destination] = [tf.ones([4, 3]), tf.zeros([2, 3])];
    const pairs = Int32Array.of(0, 1);
    expectAttentionError(
      () => swapBlocks(source, destination, Int32Array.of(3, 2)),
      'ERR_RANGE',
      '[swapBlocks] pairs[1]: expected a block >= 0 and < 2, received 2',
    );
    expectAttentionError(
      () => swapBlocks(source, destination, Int32Array.of(0, 1, 4, 0)),
      'ERR_RANGE',
      '[swapBlocks] pairs[2]: expected a block >= 0 and < 4, received 4',
    );
    expectAttentionError(
      () => swapBlocks(source, destination, Int32Array.of(0)),
      'ERR_SHAPE',
      '[swapBlocks] pairs: expected an even length, received 1',
    );
    expectAttentionError(
      () => swapBlocks(source, destination, [0, 1] as unknown as Int32Array),
      'ERR_DTYPE',
      '[swapBlocks] pairs: expected an Int32Array of source, destination, source, …, received [0, 1]',
    );
    expectAttentionError(
      () => swapBlocks(source, tf.zeros([2, 4]), pairs),
      'ERR_SHAPE',
      '[swapBlocks] destination: expected shape [numBlocks, 3] to match the blocks of source, received [2, 4]',
    );
    expectAttentionError(
      () => swapBlocks(tf.scalar(1), tf.scalar(1), pairs),
      'ERR_SHAPE',
      '[swapBlocks] source: expected shape [numBlocks, …], received []',
    );
    expectAttentionError(
      () => swapBlocks(source, zerosWithStorage([2, 3], 'float16'), pairs),
      'ERR_DTYPE',
      '[swapBlocks] destination: expected storage float32 to match source, received float16',
    );
    expectAttentionError(
      () => swapBlocks(tf.ones([2, 3], 'int32'), destination, pairs),
      'ERR_DTYPE',
      '[swapBlocks] source: expected float32, received int32',
    );
    expectAttentionError(
      () => swapBlocks(source, tf.reshape(source, [4, 3]), pairs),
      'ERR_UNSUPPORTED',
      '[swapBlocks] destination: expected a cache other than source, received the same cache; use copyBlocks',
    );
    expectAttentionError(
      () => swapBlocksOp({ source, destination }, { pairs: Int32Array.of(0, 1, 1, 1) }),
      'ERR_RANGE',
      '[swapBlocks] pairs: expected copies that do not depend on each other, received [0, 1, 1, 1]',
    );
    // The second pair starts a second run: the first must not be copied before the last pair was looked at.
    expectAttentionError(
      () => swapBlocks(source, destination, Int32Array.of(0, 1, 1, 1, 9, 0)),
      'ERR_RANGE',
      '[swapBlocks] pairs[4]: expected a block >= 0 and < 4, received 9',
    );
    expect([...destination.dataSync()]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  if (backendName === 'cpu') {
    test('does not write into the int32 tensor behind tf.cast', () => {
      const shape = [2, 8, 1, 8];
      const ints = tf.reshape(tf.range(0, 128, 1, 'int32'), shape);
      const floats = tf.cast(ints, 'float32');
      expectAttentionError(
        () => swapBlocks(tf.ones(shape), floats, Int32Array.of(0, 1)),
        'ERR_UNSUPPORTED',
        /^\[swapBlocks\] destination: expected unshared float32 memory/,
      );
      expect(ints.dataSync()[127]).toBe(127);
    });
  }
});

describeOnDevices('swapBlocks on a device', () => {
  // Copied in words of 16, 4 or 2 bytes, whichever divides the block; the last is longer than a block of threads copies.
  const deviceCases = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
    [1, 2, 3, 8, 5000].map((length) => [length, storage] as const),
  );
  test.each(deviceCases)('copies blocks of %d elements in %s', (length, storage) => {
    const source = randomTensor(new Random(1), [3, length], storage);
    const destination = zerosWithStorage([2, length], storage);
    swapBlocks(source.tensor, destination, Int32Array.of(2, 0, 1, 1));
    const block = (index: number) => source.values.slice(index * length, (index + 1) * length);
    expect([...destination.dataSync()]).toEqual([...block(2), ...block(1)]);
  });
});
