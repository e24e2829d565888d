import * as tf from '@attention-js/core/tf';

/** Prints the largest difference of two results and throws where it is more than rounding. */
export function expectSame(what: string, actual: tf.Tensor, expected: tf.Tensor): void {
  const largest = tf.tidy(() => tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0]);
  console.log(`${what}: largest difference ${largest.toExponential(1)}`);
  if (!(largest < 1e-5)) throw new Error(`${what}: the results differ`);
}
