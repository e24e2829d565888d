// What kernels of tfjs's ops launch: a function per stem, which each backend has in its src/launches/STEM.ts. Outputs are
// made, shapes are checked and collapsed; `operation` is a number of enumerations.ts. Strides and offsets are in elements; a
// stride of 0 repeats, a negative one runs backwards. Types of elements are those of the tensors: float32 in its storage
// type, int32, and bool as a byte.
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';
import type { Walk } from './tfjs_kernels/strides.ts';

/** What kernels of a device can do at most; kernels of `cpu` do the rest. */
export interface LaunchLimits {
  /** Axes that they index, of what {@link Walk} leaves. */
  rank: number;
  /** The same of the batches of a matrix product. */
  batchRank: number;
  /** Elements of a tensor are fewer. */
  size: number;
  /** The k of TopK. */
  topK: number;
  /** Axes that an index of a gather names. */
  indexAxes: number;
  /** Whether a matrix product takes `a` transposed; else it is transposed before. */
  transposeA: boolean;
}

/** output = operation(x), element by element. */
export interface UnaryLaunch {
  operation: number;
  x: TensorInfo;
  output: TensorInfo;
  size: number;
  /** Attributes: a slope, or the lower bound. */
  alpha: number;
  /** The upper bound. */
  beta: number;
}

/** output = operation(a, b), broadcast; float32 or int32 arithmetic by the dtype of `a`, which is that of `b`. */
export interface BinaryLaunch {
  operation: number;
  a: TensorInfo;
  b: TensorInfo;
  output: TensorInfo;
  size: number;
  /** Strides of `a` and of `b`; the output is row-major. */
  walk: Walk;
}

/** A part of a tensor, element by element, for a part of another, converted where their types differ. */
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

/** output[i] = start + i · step. */
export interface FillLaunch {
  output: TensorInfo;
  size: number;
  start: number;
  step: number;
}

/**
 * output[batch, outer, i, …] = x[batch, outer, index i of the batch, …]; zero for an index outside of x.
 */
export interface GatherLaunch {
  /** [batch, outer, dimSize, sliceSize] */
  x: TensorInfo;
  /** int32 [batch, indexCount, strides.length] */
  indices: TensorInfo;
  /** [batch, outer, indexCount, sliceSize] */
  output: TensorInfo;
  /** Of an index, in slices: [1] where it is a position along the axis. */
  strides: number[];
  batchSize: number;
  outerSize: number;
  dimSize: number;
  indexCount: number;
  sliceSize: number;
}

/** output[batch] = activation(a[batch] · b[batch] + bias), all float32 of one storage type. */
export interface MatMulLaunch {
  a: TensorInfo;
  b: TensorInfo;
  bias: TensorInfo | undefined;
  output: TensorInfo;
  /** Batches, with strides of `a` and of `b`. */
  batch: Walk;
  rows: number;
  columns: number;
  depth: number;
  /** Whether `a` is [depth, rows]. */
  transposeA: boolean;
  /** Whether `b` is [columns, depth]. */
  transposeB: boolean;
  /** 0: one number for all columns. */
  biasStride: 0 | 1;
  /** A {@link MatMulActivation}. */
  activation: number;
  /** Of leakyrelu. */
  slope: number;
}

/** output[…, j] = onValue where j is the index, else offValue. */
export interface OneHotLaunch {
  indices: TensorInfo;
  output: TensorInfo;
  /** Indices. */
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
  /** Axes that stay, with the strides of x. */
  kept: Walk;
  /** Axes that go, with the strides of x. */
  reduced: Walk;
  outputSize: number;
  reduceSize: number;
}

/** Positions of the largest or smallest elements of rows, the first of equals. */
export interface ArgReduceLaunch {
  x: TensorInfo;
  output: TensorInfo;
  rows: number;
  length: number;
  smallest: boolean;
}

/** output[i] = condition[i / repeats] ? t[i] : e[i]. */
export interface SelectLaunch {
  condition: TensorInfo;
  t: TensorInfo;
  e: TensorInfo;
  output: TensorInfo;
  size: number;
  /** Elements that one condition decides. */
  repeats: number;
}

/** Softmax of rows. */
export interface SoftmaxLaunch {
  x: TensorInfo;
  output: TensorInfo;
  rows: number;
  length: number;
}

/** The k largest elements of rows, in order, the first of equals first, and their positions. */
export interface TopKLaunch {
  x: TensorInfo;
  values: TensorInfo;
  indices: TensorInfo;
  rows: number;
  length: number;
  k: number;
}

/**
 * Writes slices to the places that indices name. Without `tensor` those of one place add up, in their order, to zeros;
 * with it the last of them takes the place of its slice. What lies outside of the output is left out.
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
  /** Of an index, in slices. */
  strides: number[];
  count: number;
  sliceSize: number;
  slices: number;
}

/** Draws events of each row by their probabilities. */
export interface MultinomialLaunch {
  /** Of shape [rows, events]: logits, or probabilities where they are normalized. */
  logits: TensorInfo;
  /** int32 [rows, samples] */
  output: TensorInfo;
  rows: number;
  events: number;
  samples: number;
  isNormalized: boolean;
  /** Of the random numbers; any number. */
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
