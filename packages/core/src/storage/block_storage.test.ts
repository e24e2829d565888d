import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { castStorage } from '../ops/cast_storage.ts';
import { linear } from '../ops/linear.ts';
import { siluAndMul } from '../ops/silu_and_mul.ts';
import { assignStorage } from '../ops/assign_storage.ts';
import { blockTypesOf, describeOnBackends } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { decodeStorageBytes, encodeStorageBytes } from './storage_bytes.ts';
import { storageOf } from './storage_backend.ts';
import { storageBytes, tensorFromStorage, zerosWithStorage } from './storage_functions.ts';
import { BLOCK_STORAGE_TYPES, STORAGE_FORMATS } from './storage_types.ts';

describeOnBackends('block storage', (backendName) => {
  test.each(BLOCK_STORAGE_TYPES)(
    '%s: bytes become a tensor, and bytes again; data() decodes',
    async (storage) => {
      const shape = [3, 2 * STORAGE_FORMATS[storage].blockLength];
      const bytes = encodeStorageBytes(new Random(1).normal(shape[0] * shape[1]), storage);
      const x = tensorFromStorage(bytes, shape, storage);
      expect([x.dtype, x.shape, storageOf(x)]).toEqual(['float32', shape, storage]);
      expect(await storageBytes(x)).toEqual(bytes);
      const decoded = decodeStorageBytes(bytes, storage);
      expect(x.dataSync()).toEqual(decoded);
      expect(await x.data()).toEqual(decoded);
      bytes.fill(0);
      (await storageBytes(x)).fill(0);
      expect(x.dataSync()).toEqual(decoded);
    },
  );

  test.each(BLOCK_STORAGE_TYPES)('%s: zeros, clone, reshape and dispose', async (storage) => {
    const { blockLength, blockBytes } = STORAGE_FORMATS[storage];
    const before = tf.memory().numDataBuffers;
    const x = zerosWithStorage([4, blockLength], storage);
    expect((await storageBytes(x)).length).toBe(4 * blockBytes);
    expect(x.dataSync().every((value) => value === 0)).toBe(true);
    const copies = [tf.clone(x), tf.reshape(x, [2, 2, blockLength])];
    for (const copy of copies) expect(storageOf(copy)).toBe(storage);
    tf.dispose([x, ...copies]);
    expect(tf.memory().numDataBuffers).toBe(before);
  });

  test('rows are whole blocks', () => {
    expectAttentionError(
      () => tensorFromStorage(new Uint8Array(144), [4, 64], 'q4_k'),
      'ERR_SHAPE',
      '[tensorFromStorage] shape: expected a last dimension that is a multiple of 256 for q4_k, received [4, 64]',
    );
    expectAttentionError(
      () => tensorFromStorage(new Uint8Array(17), [32], 'q4_0'),
      'ERR_SHAPE',
      '[tensorFromStorage] bytes: expected 18 bytes for q4_0 of shape [32], received 17',
    );
    expectAttentionError(
      () => zerosWithStorage([], 'q8_0'),
      'ERR_SHAPE',
      '[zerosWithStorage] shape: expected a last dimension that is a multiple of 32 for q8_0, received []',
    );
    if (blockTypesOf(backendName, 'linear').length === 0) return;
    const weight = tf.reshape<tf.Rank.R2>(zerosWithStorage([4, 32], 'q8_0'), [8, 16]);
    expectAttentionError(
      () => linear(tf.zeros([1, 16]), weight),
      'ERR_SHAPE',
      '[linear] weight: expected a last dimension that is a multiple of 32 for q8_0, received [8, 16]',
    );
    if (blockTypesOf(backendName, 'castStorage').length === 0) return;
    expectAttentionError(
      () => castStorage(tf.zeros([3, 33]), 'q5_0'),
      'ERR_SHAPE',
      '[castStorage] x: expected a last dimension that is a multiple of 32 for q5_0, received [3, 33]',
    );
  });

  test('ops that do not support quantized weights name the type', () => {
    const x = zerosWithStorage([2, 64], 'q8_0');
    expectAttentionError(
      () => siluAndMul(x),
      'ERR_DTYPE',
      '[siluAndMul] x: expected storage float32 or float16 or bfloat16, received q8_0',
    );
    expectAttentionError(
      () => assignStorage(x, new Float32Array(128)),
      'ERR_DTYPE',
      '[assignStorage] destination: expected storage float32 or float16 or bfloat16, received q8_0',
    );
    expectAttentionError(
      () => linear(x, tf.zeros<tf.Rank.R2>([4, 64])),
      'ERR_DTYPE',
      '[linear] x: expected storage float32 or float16 or bfloat16, received q8_0',
    );
    for (const call of [() => tf.add(x, 1), () => tf.matMul(x, x, false, true), () => tf.gather(x, [0])]) {
      expectAttentionError(
        call,
        'ERR_DTYPE',
        '[q8_0] tensor: expected an op that takes quantized weights, such as linear, received another; ' +
          'data() decodes it',
      );
    }
  });

  test('ops that do not take quantized weights on a backend say so', () => {
    if (backendName === 'cpu') return;
    const weight = zerosWithStorage([4, 64], 'q8_0') as tf.Tensor2D;
    const takesLinear = blockTypesOf(backendName, 'linear').length > 0;
    const expected = `expected storage float32 or float16 or bfloat16 on ${backendName}, received q8_0`;
    for (const [call, argument] of [
      ...(takesLinear ? [] : ([[() => linear(tf.zeros([1, 64]), weight), '[linear] weight']] as const)),
      [() => castStorage(weight, 'float32'), '[castStorage] x'],
      [() => castStorage(tf.zeros([4, 64]), 'q8_0'), '[castStorage] storage'],
    ] as const) {
      expectAttentionError(call, 'ERR_UNSUPPORTED', `${argument}: ${expected}`);
    }
  });
});
