import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import './chained_ops.ts';

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself

type Methods = Record<string, (this: tf.Tensor, ...args: unknown[]) => tf.Tensor | tf.Tensor[]>;
const methods = tf.Tensor.prototype as unknown as Methods;
const ours: Methods = { ...methods };

// The oracle: @tensorflow/tfjs registers tfjs-core's own methods, over ours.
await import('@tensorflow/tfjs');

/** Names of the methods that the typings of tfjs-core add to Tensor. */
function declaredMethods(): string[] {
  const core = path.dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json'));
  const folder = path.join(core, 'dist/public/chained_ops');
  const files = readdirSync(folder).filter((name) => name.endsWith('.d.ts'));
  return files.flatMap((name) => {
    const [, body = ''] = /interface Tensor<[^{]*\{(.*)\}\s*\}/s.exec(
      readFileSync(path.join(folder, name), 'utf8'),
    ) ?? ['', ''];
    return [...body.matchAll(/^ {8}(\w+)[<(]/gm)].map(([, method]) => method);
  });
}

const x = tf.tensor2d([
  [0.5, -1.25, 2],
  [0.25, 3, -0.75],
]);
const y = tf.tensor2d([
  [1, 2, 3],
  [0.25, -2, 0.5],
]);
const condition = tf.tensor2d([1, 1, 1, 0, 1, 0], [2, 3], 'bool');
const vector = tf.tensor1d([3, 1, 2]);
const indices = tf.tensor1d([1, 0], 'int32');
const image = tf.range(0, 32).reshape([1, 4, 4, 2]);
const filter = tf.range(0, 16).reshape([2, 2, 2, 2]);
const complex = tf.complex([1, 2, 3, 4], [4, 3, 2, 1]);

interface Sample {
  self?: tf.Tensor;
  args?: unknown[];
}

/** Samples of the methods that need more than `x`. Every argument differs from its default. */
const samples: Record<string, Sample> = {
  add: { args: [y] },
  all: { self: condition, args: [1, true] },
  any: { self: condition, args: [1, true] },
  argMax: { args: [1] },
  argMin: { args: [1] },
  as2D: { args: [3, 2] },
  as3D: { args: [3, 1, 2] },
  as4D: { args: [3, 1, 2, 1] },
  as5D: { args: [3, 1, 1, 2, 1] },
  asScalar: { self: tf.tensor1d([7]) },
  asType: { args: ['int32'] },
  atan2: { args: [y] },
  avgPool: { self: image, args: [2, 1, 1, 'floor'] },
  batchNorm: { args: [vector, vector, tf.tensor1d([4, 5, 6]), tf.tensor1d([7, 8, 9]), 0.5] },
  batchToSpaceND: {
    self: tf.tensor3d([[[1]], [[2]], [[3]], [[4]]]),
    args: [
      [2, 2],
      [
        [0, 0],
        [0, 1],
      ],
    ],
  },
  broadcastTo: { args: [[2, 2, 3]] },
  cast: { args: ['int32'] },
  clipByValue: { args: [-1, 1] },
  concat: { args: [[y, x], 1] },
  conv1d: { self: image.reshape([4, 4, 2]), args: [filter.reshape([4, 2, 2]), 1, 'same', 'NWC', 1] },
  conv2d: { self: image, args: [filter, 1, 'same', 'NHWC', 2] },
  conv2dTranspose: { self: image, args: [filter, [1, 8, 8, 2], 2, 'same'] },
  cumprod: { args: [1, true, true] },
  cumsum: { args: [1, true, true] },
  depthToSpace: { self: image.reshape([1, 2, 2, 8]), args: [2, 'NHWC'] },
  depthwiseConv2d: { self: image, args: [filter, 1, 'same', 'NHWC', 2] },
  dilation2d: { self: image, args: [filter.slice([0, 0, 0, 0], [2, 2, 2, 1]).squeeze([3]), 1, 'same', 2] },
  div: { args: [y] },
  divNoNan: { args: [y] },
  dot: { args: [vector] },
  equal: { args: [y] },
  euclideanNorm: { args: [1, true] },
  expandDims: { args: [1] },
  fft: { self: complex },
  floorDiv: { self: vector.toInt(), args: [tf.scalar(2, 'int32')] },
  gather: { args: [indices, 1] },
  greater: { args: [y] },
  greaterEqual: { args: [y] },
  ifft: { self: complex },
  irfft: { self: complex },
  isInf: { self: tf.tensor1d([1, Infinity, NaN]) },
  isNaN: { self: tf.tensor1d([1, Infinity, NaN]) },
  leakyRelu: { args: [0.3] },
  less: { args: [y] },
  lessEqual: { args: [y] },
  localResponseNormalization: { self: image, args: [1, 2, 3, 0.75] },
  logSoftmax: { args: [-1] },
  logSumExp: { args: [1, true] },
  logicalAnd: { self: condition, args: [tf.onesLike(condition)] },
  logicalNot: { self: condition },
  logicalOr: { self: condition, args: [tf.zerosLike(condition)] },
  logicalXor: { self: condition, args: [tf.onesLike(condition)] },
  matMul: { args: [y, true, false] },
  max: { args: [1, true] },
  maxPool: { self: image, args: [2, 1, 1, 'floor'] },
  maximum: { args: [y] },
  mean: { args: [1, true] },
  min: { args: [1, true] },
  minimum: { args: [y] },
  mirrorPad: {
    args: [
      [
        [1, 1],
        [0, 1],
      ],
      'reflect',
    ],
  },
  mod: { args: [y] },
  mul: { args: [y] },
  norm: { args: [1, 1, true] },
  notEqual: { args: [y] },
  oneHot: { self: indices, args: [3, 5, -1] },
  pad: {
    args: [
      [
        [1, 1],
        [0, 1],
      ],
      9,
    ],
  },
  pool: { self: image, args: [2, 'max', 'same', 2, 1] },
  pow: { args: [2] },
  prelu: { args: [y] },
  prod: { args: [1, true] },
  reshape: { args: [[3, 2]] },
  reshapeAs: { args: [image.slice([0, 0, 0, 0], [1, 3, 1, 2])] },
  resizeBilinear: { self: image, args: [[3, 7], false, true] },
  resizeNearestNeighbor: { self: image, args: [[3, 7], false, true] },
  reverse: { args: [1] },
  separableConv2d: { self: image, args: [filter, tf.ones([1, 1, 4, 3]), 1, 'same', 2, 'NHWC'] },
  slice: {
    args: [
      [0, 1],
      [2, 1],
    ],
  },
  softmax: { args: [-1] },
  spaceToBatchND: {
    self: image,
    args: [
      [2, 2],
      [
        [0, 0],
        [2, 0],
      ],
    ],
  },
  split: { args: [[1, 2], 1] },
  squaredDifference: { args: [y] },
  squeeze: { self: image.reshape([1, 32, 1]), args: [[2]] },
  stack: { args: [[y, x], 1] },
  step: { args: [0.3] },
  stridedSlice: { args: [[0, 2], [2, 0], [1, -1], 0, 2] },
  sub: { args: [y] },
  sum: { args: [1, true] },
  tile: { args: [[2, 1]] },
  topk: { args: [2, true] },
  transpose: { args: [[1, 0]] },
  unique: {
    self: tf.tensor2d([
      [1, 2, 1],
      [3, 4, 3],
    ]),
    args: [1],
  },
  unsortedSegmentSum: { args: [indices, 3] },
  unstack: { args: [1] },
  where: { args: [condition, y] },
};

function values(result: tf.TensorContainer): unknown {
  if (result instanceof tf.Tensor) {
    return { shape: result.shape, dtype: result.dtype, values: [...result.dataSync()] };
  }
  return Object.entries(result as Record<string, tf.Tensor>).map(([key, item]) => [key, values(item)]);
}

describe('chained methods', () => {
  const declared = declaredMethods();

  test('tfjs-core declares the methods that are tested', () => {
    expect(declared.length).toBeGreaterThan(130);
    expect(Object.keys(samples).filter((name) => !declared.includes(name))).toEqual([]);
  });

  test.each(declared)('%s', (name) => {
    expect(ours[name]).not.toBe(methods[name]);
    const { self = x, args = [] } = samples[name] ?? {};
    const actual = values(ours[name].apply(self, args));
    expect(actual).toEqual(values(methods[name].apply(self, args)));
    expect(JSON.stringify(actual)).toMatch(/"values":\[[^\]]/);
  });

  test('concat and stack take one tensor as well as a list', () => {
    expect(values(ours.concat.call(x, y, 1))).toEqual(values(tf.concat([x, y], 1)));
    expect(values(ours.stack.call(x, y, 1))).toEqual(values(tf.stack([x, y], 1)));
  });

  test('asScalar refuses more than one element', () => {
    expect(() => ours.asScalar.call(x)).toThrow('The array must have only 1 element.');
  });

  test('a disposed tensor is refused', () => {
    const disposed = tf.scalar(1);
    disposed.dispose();
    expect(() => ours.toInt.call(disposed)).toThrow('Tensor is disposed.');
  });
});
