import * as tf from '@attention-js/core/tf';

/** Weights of a mixture-of-experts layer, stacked over the experts. */
export interface MoeWeights {
  /** `[hidden, experts]`. */
  router: tf.Tensor2D;
  /** `[experts, 2 * intermediate, hidden]`: gate rows, then up rows. */
  gateUp: tf.Tensor;
  /** `[experts, hidden, intermediate]`. */
  down: tf.Tensor;
}

/** Sends each of the tokens `x` `[tokens, hidden]` through its `k` best experts. */
export function moeLayer(x: tf.Tensor, { router, gateUp, down }: MoeWeights, k: number): tf.Tensor2D {
  return tf.tidy(() => {
    const routerLogits = tf.matMul(x, router);
    const { weights, ids } = tf.topkSoftmax(routerLogits, k, { renormalize: true });
    return tf.fusedMoe(x, gateUp, down, weights, ids, { activation: 'silu' });
  });
}
