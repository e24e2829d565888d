import { AttentionError, pagedAttention, sortTokensByExpert } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, jest, test } from '@jest/globals';
import { makePagedCase } from '../../core/src/testing/paged_case.ts';
import { Random } from '../../core/src/testing/random.ts';
import { describeOnDevices } from '../../core/src/testing/backends.ts';

const FLAG = 'ATTENTION_CHECK_BOUNDS';

const sort = () => sortTokensByExpert(tf.tensor2d([[0, 7]], [1, 2], 'int32'), 4);

function isRejected(call: () => unknown): boolean {
  try {
    call();
    return false;
  } catch (error) {
    return error instanceof AttentionError && error.code === 'ERR_RANGE';
  }
}

/** When a device checks the values of inputs. The rules themselves are tested in core's suites. */
describeOnDevices(FLAG, () => {
  afterEach(() => {
    jest.restoreAllMocks();
    delete process.env[FLAG];
    tf.env().reset(); // evaluates the flags again
    tf.env().set('IS_TEST', true);
  });

  test('is enabled only by the environment variable or the flag', () => {
    expect(isRejected(sort)).toBe(false);
    tf.env().set(FLAG, true);
    expect(isRejected(sort)).toBe(true);
    tf.env().reset();
    expect(isRejected(sort)).toBe(false);
    process.env[FLAG] = '1';
    tf.env().reset();
    expect(isRejected(sort)).toBe(true);
  });

  test('reads lengths and block tables but no cache, and nothing at all if it is off', () => {
    const sequences = [
      { queryLength: 3, contextLength: 20 },
      { queryLength: 1, contextLength: 9 },
    ];
    const spec = { sequences, heads: 2, kvHeads: 1, headSize: 32, blockSize: 8 };
    const { query, keyCache, valueCache, metadata } = makePagedCase(new Random(5), spec);
    const read = jest.spyOn(tf.engine().backend, 'readSync');
    pagedAttention(query, keyCache, valueCache, metadata);
    expect(read).not.toHaveBeenCalled();
    tf.env().set(FLAG, true);
    pagedAttention(query, keyCache, valueCache, metadata);
    const { blockTables, contextLens, cuSeqlensQ } = metadata;
    expect(new Set(read.mock.calls.map(([dataId]) => dataId))).toEqual(
      new Set([blockTables, contextLens, cuSeqlensQ!].map(({ dataId }) => dataId)),
    );
    expect(read).toHaveBeenCalledTimes(3);
  });

  test('leaks nothing when it rejects', () => {
    const { numTensors } = tf.memory();
    const { backend } = tf.engine();
    tf.env().set(FLAG, true);
    const ids = tf.tensor2d([[0, 7]], [1, 2], 'int32');
    const held = backend.numDataIds();
    expect(isRejected(() => sortTokensByExpert(ids, 4))).toBe(true);
    expect(tf.memory().numTensors).toBe(numTensors + 1);
    expect(backend.numDataIds()).toBe(held);
  });
});
