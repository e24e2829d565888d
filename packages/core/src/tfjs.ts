/**
 * The whole of `@tensorflow/tfjs` (gradients, layers, data and converter included) with every export of
 * `@attention-js/core`, in one namespace. Needs the package `@tensorflow/tfjs`, an optional peer dependency.
 *
 * @module tfjs
 */
export * from '@tensorflow/tfjs';
export * from './index.ts';
