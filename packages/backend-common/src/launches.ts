// The launches from which tfjs's ops are built: one function per stem, which each backend implements in
// src/launches/STEM.ts. The caller has created outputs, and checked and collapsed shapes. `operation` is a number of
// enumerations.ts. Strides and offsets count elements; a stride of 0 broadcasts, a negative one runs backwards. Element
// types are those of the tensors: float32 in its storage type, int32, and bool as a byte.
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';
import type { Walk } from './tfjs_kernels/strides.ts';

/** Limits of a device's kernels. Beyond them, `cpu` kernels run. */
export interface LaunchLimits {
  /** Maximum number of axes of a {@link Walk}. */
  rank: number;
  /** Maximum number of batch axes of a matrix product. */
  batchRank: number;
  /** Exclusive upper bound on the elements of a tensor. */
  size: number;
  /** Maximum k of TopK. */
  topK: number;
  /** Maximum number of coordinates per index of a gather. */
  indexAxes: number;
  /** Whether a matrix product accepts a transposed `a`; otherwise it is transposed first. */
  transposeA: boolean;
}

/** Elementwise output = operation(x). */
export interface UnaryLaunch {
  operation: number;
  x: TensorInfo;
  output: TensorInfo;
  size: number;
  /** An attribute: a slope, or the lower bound. */
  alpha: number;
  /** An attribute: the upper bound. */
  beta: number;
}

/**
 * Elementwise output = operation(a, b), broadcast. `a` and `b` have the same dtype, which selects float32 or int32
 * arithmetic.
 */
export interface BinaryLaunch {
  operation: number;
  a: TensorInfo;
  b: TensorInfo;
  output: TensorInfo;
  size: number;
  /** Strides of `a` and of `b`; the output is row-major. */
  walk: Walk;
}

/** Copies a part of a tensor to a part of another, converting elements if the types differ. */
export interface CopyLaunch {
  x: TensorInfo;
  output: TensorInfo;
  size: number;
  /** Strides of `x` and of the output. */
  walk: Walk;
  xOffset: number;
  outputOffset: number;
}

/** Cumulative sums or products of rows. */
export interface CumulateLaunch {
  x: TensorInfo;
  output: TensorInfo;
  rows: number;
  length: number;
  product: boolean;
  exclusive: boolean;
  reverse: boolean;
}

/** Computes output[i] = start + i · step. */
export interface FillLaunch {
  output: TensorInfo;
  size: number;
  start: number;
  step: number;
}

/**
 * Computes output[batch, outer, i, …] = x[batch, outer, index i of the batch, …]; zeros for an index outside x.
 */
export interface GatherLaunch {
  /** [batch, outer, dimSize, sliceSize] */
  x: TensorInfo;
  /** int32 [batch, indexCount, strides.length] */
  indices: TensorInfo;
  /** [batch, outer, indexCount, sliceSize] */
  output: TensorInfo;
  /** Strides of the coordinates of an index, in slices; [1] for a position along the axis. */
  strides: number[];
  batchSize: number;
  outerSize: number;
  dimSize: number;
  indexCount: number;
  sliceSize: number;
}

/** Computes output[batch] = activation(a[batch] · b[batch] + bias). All are float32 of one storage type. */
export interface MatMulLaunch {
  a: TensorInfo;
  b: TensorInfo;
  bias: TensorInfo | undefined;
  output: TensorInfo;
  /** Batch axes, with the strides of `a` and `b`. */
  batch: Walk;
  rows: number;
  columns: number;
  depth: number;
  /** Whether `a` is [depth, rows]. */
  transposeA: boolean;
  /** Whether `b` is [columns, depth]. */
  transposeB: boolean;
  /** 0: one bias for all columns. */
  biasStride: 0 | 1;
  /** A {@link MatMulActivation}. */
  activation: number;
  /** Slope of leakyrelu. */
  slope: number;
}

/** Computes output[…, j] = j == index ? onValue : offValue. */
export interface OneHotLaunch {
  indices: TensorInfo;
  output: TensorInfo;
  /** Number of indices. */
  count: number;
  depth: number;
  onValue: number;
  offValue: number;
}

/** Reduces some axes of x. */
export interface ReduceLaunch {
  operation: number;
  x: TensorInfo;
  output: TensorInfo;
  /** The remaining axes, with strides of x. */
  kept: Walk;
  /** The reduced axes, with strides of x. */
  reduced: Walk;
  outputSize: number;
  reduceSize: number;
}

/** Positions of each row's largest or smallest element; the first of equal ones. */
export interface ArgReduceLaunch {
  x: TensorInfo;
  output: TensorInfo;
  rows: number;
  length: number;
  smallest: boolean;
}

/** Computes output[i] = condition[i / repeats] ? t[i] : e[i]. */
export interface SelectLaunch {
  condition: TensorInfo;
  t: TensorInfo;
  e: TensorInfo;
  output: TensorInfo;
  size: number;
  /** Elements per condition. */
  repeats: number;
}

/** Softmax of rows. */
export interface SoftmaxLaunch {
  x: TensorInfo;
  output: TensorInfo;
  rows: number;
  length: number;
}

/**
 * The k largest elements of each row in descending order, with their positions; of equal ones, the first comes first.
 */
export interface TopKLaunch {
  x: TensorInfo;
  values: TensorInfo;
  indices: TensorInfo;
  rows: number;
  length: number;
  k: number;
}

/**
 * Scatters slices to indices. Without `tensor`, updates of one slice are added in order, starting from zero; with it,
 * the last update replaces its slice. Indices outside the output are ignored.
 */
export interface ScatterLaunch {
  /** Like the output, or none. */
  tensor: TensorInfo | undefined;
  /** int32 [count, strides.length] */
  indices: TensorInfo;
  /** [count, sliceSize] of the output's type. */
  updates: TensorInfo;
  /** [slices, sliceSize] */
  output: TensorInfo;
  /** Strides of the coordinates of an index, in slices. */
  strides: number[];
  count: number;
  sliceSize: number;
  slices: number;
}

/** Draws samples from the distribution of each row. */
export interface MultinomialLaunch {
  /** `[rows, events]`: logits, or probabilities if `isNormalized`. */
  logits: TensorInfo;
  /** `[rows, samples]` int32. */
  output: TensorInfo;
  rows: number;
  events: number;
  samples: number;
  isNormalized: boolean;
  /** Seed of the random numbers; any number. */
  seed: number;
}

/** Launches by stem. */
export interface Launches<Backend extends DeviceBackend = DeviceBackend> {
  readonly limits: LaunchLimits;
  /** See {@link ArgReduceLaunch}. */
  argReduce(this: void, backend: Backend, launch: ArgReduceLaunch): void;
  /** See {@link BinaryLaunch}. */
  binary(this: void, backend: Backend, launch: BinaryLaunch): void;
  /** See {@link CopyLaunch}. */
  copy(this: void, backend: Backend, launch: CopyLaunch): void;
  /** See {@link CumulateLaunch}. */
  cumulate(this: void, backend: Backend, launch: CumulateLaunch): void;
  /** See {@link FillLaunch}. */
  fill(this: void, backend: Backend, launch: FillLaunch): void;
  /** See {@link GatherLaunch}. */
  gather(this: void, backend: Backend, launch: GatherLaunch): void;
  /** See {@link MatMulLaunch}. */
  matMul(this: void, backend: Backend, launch: MatMulLaunch): void;
  /** See {@link MultinomialLaunch}. */
  multinomial(this: void, backend: Backend, launch: MultinomialLaunch): void;
  /** See {@link OneHotLaunch}. */
  oneHot(this: void, backend: Backend, launch: OneHotLaunch): void;
  /** See {@link ReduceLaunch}. */
  reduce(this: void, backend: Backend, launch: ReduceLaunch): void;
  /** See {@link ScatterLaunch}. */
  scatter(this: void, backend: Backend, launch: ScatterLaunch): void;
  /** See {@link SelectLaunch}. */
  select(this: void, backend: Backend, launch: SelectLaunch): void;
  /** See {@link SoftmaxLaunch}. */
  softmax(this: void, backend: Backend, launch: SoftmaxLaunch): void;
  /** See {@link TopKLaunch}. */
  topK(this: void, backend: Backend, launch: TopKLaunch): void;
  /** See {@link UnaryLaunch}. */
  unary(this: void, backend: Backend, launch: UnaryLaunch): void;
}
