/**
 * A layer of 8 experts of which each token takes 2, as in Mixtral, on 48 tokens: first in float32, then with activations
 * and experts stored as bfloat16. Both are compared with a plain loop over tokens and experts in float32.
 *
 *   node dist/main.js
 */
import * as tf from '@attention-js/core/tf';
import { moeLayer } from './moe_layer.ts';
import { plainLoop } from './plain_loop.ts';

const [tokens, hidden, intermediate, experts, k] = [48, 128, 256, 8, 2];

tf.enableProdMode();
await tf.setBackend('cpu');

const normal = <R extends tf.Rank>(shape: tf.ShapeMap[R], deviation: number, seed: number) =>
  tf.randomNormal<R>(shape, 0, deviation, 'float32', seed);
const router = normal<tf.Rank.R2>([hidden, experts], 0.1, 1);
const x = normal<tf.Rank.R2>([tokens, hidden], 1, 2);
const gateUp = normal<tf.Rank.R3>([experts, 2 * intermediate, hidden], hidden ** -0.5, 3);
const down = normal<tf.Rank.R3>([experts, hidden, intermediate], intermediate ** -0.5, 4);

/** ‖actual − expected‖ / ‖expected‖ */
function relativeError(actual: tf.Tensor, expected: tf.Tensor): number {
  return tf.tidy(() => tf.div(tf.norm(tf.sub(actual, expected)), tf.norm(expected)).dataSync()[0]);
}

const { ids } = tf.topkSoftmax(tf.matMul(x, router), k);
const load = Array.from({ length: experts }, () => 0);
for (const expert of ids.dataSync()) load[expert]++;
console.log(`${tokens} tokens, ${k} of ${experts} experts each; tokens per expert: ${load.join(' ')}`);

const expected = plainLoop(x, { router, gateUp, down }, k);
for (const [storage, bound] of [
  ['float32', 1e-5],
  ['bfloat16', 1e-2],
] as const) {
  const weights = { router, gateUp: tf.castStorage(gateUp, storage), down: tf.castStorage(down, storage) };
  const result = moeLayer(tf.castStorage(x, storage), weights, k);
  const error = relativeError(result, expected);
  console.log(`${storage}: relative error against the plain loop ${error.toExponential(1)}`);
  if (!(error < bound)) throw new Error(`the layer in ${storage} differs from the plain loop`);
}
