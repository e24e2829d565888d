/**
 * The whole of `@tensorflow/tfjs` (gradients, layers, data and converter included) with every export of
 * `@attention-js/core`, in one namespace. Needs the package `@tensorflow/tfjs`, an optional peer dependency.
 *
 * @module tfjs
 */
export * from '@tensorflow/tfjs';
export * from './index.ts';

// oxlint-disable-next-line import/no-self-import, import/no-cycle
import * as self from './tfjs.ts';

// tfjs is CommonJS, and `export *` adds its own 'module.exports', which require() returns on Node 24.
const namespace: typeof self = self;
export { namespace as 'module.exports' };
