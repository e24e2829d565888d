/**
 * TensorFlow.js including attention.js: all of tfjs-core, its `cpu` backend, tensor methods (`x.add(y)`), and every
 * export of `@attention-js/core`, in one namespace.
 *
 * @example
 * ```ts
 * import * as tf from '@attention-js/core/tf';
 *
 * const hidden = tf.siluAndMul(tf.randomNormal([4, 512])).add(1);
 * ```
 *
 * @module tf
 */
import '@tensorflow/tfjs-backend-cpu';
import './chained_ops.ts';

export * from '@tensorflow/tfjs-core';
export * from './index.ts';

// oxlint-disable-next-line import/no-self-import, import/no-cycle
import * as self from './tf.ts';

// tfjs is CommonJS, and `export *` adds its own 'module.exports', which require() returns on Node 24.
const namespace: typeof self = self;
export { namespace as 'module.exports' };
