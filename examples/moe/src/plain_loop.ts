import * as tf from '@attention-js/core/tf';
import type { MoeWeights } from './moe_layer.ts';

/** What `moeLayer` computes, by tfjs's own ops: one token and one expert at a time. */
export function plainLoop(x: tf.Tensor2D, { router, gateUp, down }: MoeWeights, k: number): tf.Tensor2D {
  return tf.tidy(() => {
    const { values, indices } = tf.topk(tf.softmax(tf.matMul(x, router)), k);
    const weights = tf.div(values, tf.sum(values, -1, true)).arraySync() as number[][];
    const ids = indices.arraySync() as number[][];
    const rows = ids.map((experts, token) => {
      const row = tf.slice(x, token, 1);
      const outputs = experts.map((expert, j) => {
        const [gate, up] = tf.split(tf.matMul(row, tf.gather(gateUp, expert), false, true), 2, 1);
        const inner = tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
        return tf.mul(tf.matMul(inner, tf.gather(down, expert), false, true), weights[token][j]);
      });
      return tf.addN(outputs);
    });
    return tf.concat(rows) as tf.Tensor2D;
  });
}
