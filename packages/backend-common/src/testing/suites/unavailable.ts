import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself

/**
 * Tests a backend that cannot be used on this machine.
 *
 * @param error Properties of the expected AttentionError.
 */
export function unavailableSuite(name: string, error: object): void {
  test('is never chosen automatically', async () => {
    await tf.ready();
    expect(tf.getBackend()).toBe('cpu');
  });

  test('setBackend rejects with the reason, and so do later ops', async () => {
    const x = tf.tensor1d([1, 2]);
    const expected = expect.objectContaining({ name: 'AttentionError', ...error });
    await expect(tf.setBackend(name)).rejects.toEqual(expected);
    expect(() => tf.tensor1d([1])).toThrow(expected);
    expect(() => tf.add(x, x)).toThrow(expected);
    expect(() => tf.memory()).toThrow(expected);
    expect(() => tf.zerosWithStorage([2], 'float16')).toThrow(expected);
    expect(() => (tf.engine().backend as unknown as { deviceName: string }).deviceName).toThrow(expected);
    expect(tf.storageOf(x)).toBe('float32'); // x is on `cpu`

    await tf.setBackend('cpu');
    expect([...x.add(1).dataSync()]).toEqual([2, 3]);
  });
}
