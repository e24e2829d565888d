import { backend_util, util } from '@tensorflow/tfjs-core';
import type {
  BatchMatMulAttrs,
  TensorInfo,
  _FusedMatMulAttrs,
  _FusedMatMulInputs,
} from '@tensorflow/tfjs-core';
import { sizeOf } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { binary } from './binary.ts';
import { transposed, withStorage } from './copy.ts';
import { elementBytes, haveType, makeTensor, promotedStorage } from './element_type.ts';
import { broadcastStrides, collapse, shapeParams, strideParams } from './strides.ts';
import { unary } from './unary.ts';

// As in matmul.metal.
const MAX_BATCH_RANK = 4;
const TILE = 64;
const VECTOR_SIMDGROUPS = 2;
const ROW_BLOCK = 4;
const COLUMN_BLOCK = 4;

/** At most so many rows are multiplied as vectors: it reads b once for every four of them. */
const MAX_VECTOR_ROWS = 8;

/** Activations that matmul.metal applies, in its order, and tfjs's kernels of the same. */
const ACTIVATIONS = ['linear', 'relu', 'relu6', 'elu', 'leakyrelu', 'sigmoid'];

type Activation = Partial<Pick<_FusedMatMulAttrs, 'activation' | 'leakyreluAlpha'>>;

interface Product {
  a: TensorInfo;
  b: TensorInfo;
  /** One for every column, or one for all. */
  bias?: TensorInfo;
  transposeA: boolean;
  transposeB: boolean;
}

function launch(rows: number, columns: number, batch: number, transposeB: boolean) {
  if (rows > MAX_VECTOR_ROWS) {
    return {
      kernel: 'matmul_tiles',
      threadgroups: [Math.ceil(columns / TILE), Math.ceil(rows / TILE), batch] as const,
      threads: [128, 1, 1] as const,
    };
  }
  const width = transposeB ? VECTOR_SIMDGROUPS * COLUMN_BLOCK : 32;
  return {
    kernel: transposeB ? 'matmul_dots' : 'matmul_columns',
    threadgroups: [Math.ceil(columns / width), Math.ceil(rows / ROW_BLOCK), batch] as const,
    threads: [32 * VECTOR_SIMDGROUPS, 1, 1] as const,
  };
}

/** The order of axes in which the last two change places. */
function swapLast(rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return [...axes.slice(0, -2), rank - 1, rank - 2];
}

function columnsOf({ shape }: TensorInfo, isTransposed: boolean): number {
  return shape[shape.length - (isTransposed ? 2 : 1)];
}

/** Throws as tfjs's `cpu` kernel does; its op checks nothing. */
function checkShapes(a: number[], b: number[], transposeA: boolean, transposeB: boolean): void {
  util.assert(
    a.length >= 2 && b.length >= 2,
    () =>
      `Error in matMul: expected tensors of rank 2 and more, received shapes [${a.join()}] and [${b.join()}].`,
  );
  const depthOfA = a[a.length - (transposeA ? 2 : 1)];
  const depthOfB = b[b.length - (transposeB ? 1 : 2)];
  util.assert(
    depthOfA === depthOfB,
    () =>
      `Error in matMul: inner shapes (${depthOfA}) and (${depthOfB}) of Tensors with shapes ${a.join()} and ${b.join()} and ` +
      `transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
}

/** `a · b`, with a bias and an activation; `undefined` where no shader serves it. */
export function matMul(
  backend: MetalBackend,
  { a, b, bias, transposeA, transposeB }: Product,
  { activation = 'linear', leakyreluAlpha = 0 }: Activation = {},
): TensorInfo | undefined {
  checkShapes(a.shape, b.shape, transposeA, transposeB);
  const operands = bias ? [a, b, bias] : [a, b];
  if (!haveType(operands, 'float32')) return undefined;
  if (transposeA) {
    const turned = transposed(backend, a, swapLast(a.shape.length));
    if (!turned) return undefined;
    const output = matMul(
      backend,
      { a: turned, b, bias, transposeA: false, transposeB },
      { activation, leakyreluAlpha },
    );
    backend.disposeIntermediateTensorInfo(turned);
    return output;
  }
  const [rowsOfA, depth] = a.shape.slice(-2);
  const columns = columnsOf(b, transposeB);
  const batchesOfA = a.shape.slice(0, -2);
  const batchesOfB = b.shape.slice(0, -2);
  const batchShape = backend_util.assertAndGetBroadcastShape(batchesOfA, batchesOfB);
  const shape = [...batchShape, rowsOfA, columns];

  // Batches of rows that meet one and the same b are rows like others.
  const isOneMatrix = sizeOf(batchesOfB) === 1;
  const rows = isOneMatrix ? sizeOf(batchesOfA) * rowsOfA : rowsOfA;
  const walk = isOneMatrix
    ? { shape: [], strides: [[], []] }
    : collapse(batchShape, [
        broadcastStrides(batchesOfA, batchShape).map((stride) => stride * rowsOfA * depth),
        broadcastStrides(batchesOfB, batchShape).map((stride) => stride * depth * columns),
      ]);
  if (!walk || walk.shape.length > MAX_BATCH_RANK) return undefined;

  const storage = promotedStorage(backend, ...operands);
  return withStorage(backend, operands, storage, ([left, right, addend]) => {
    const output = makeTensor(backend, shape, 'float32', storage);
    const pack = 16 / elementBytes(backend, output);
    const { kernel, ...grid } = launch(rows, columns, sizeOf(walk.shape), transposeB);
    backend.dispatch({
      shader: 'matmul',
      function: `${kernel}_${backend.mslType(storage)}`,
      constants: {
        transpose_b: transposeB,
        has_bias: addend !== undefined,
        activation: ACTIVATIONS.indexOf(activation),
        aligned_a: depth % pack === 0,
        aligned_b: (transposeB ? depth : columns) % pack === 0,
      },
      buffers: [left, right, addend, output],
      params: [
        ...walk.strides.flatMap((strides) => strideParams(strides, MAX_BATCH_RANK)),
        ...shapeParams(walk.shape, MAX_BATCH_RANK),
        uint32(rows),
        uint32(columns),
        uint32(depth),
        uint32(bias && sizeOf(bias.shape) > 1 ? 1 : 0),
        float32(leakyreluAlpha),
      ],
      ...grid,
    });
    return output;
  });
}

/** What the epilogue of the product does not do is done after it. */
function addAndActivate(
  backend: MetalBackend,
  product: TensorInfo,
  { bias, preluActivationWeights }: Pick<_FusedMatMulInputs, 'bias' | 'preluActivationWeights'>,
  { activation, leakyreluAlpha }: Activation,
): TensorInfo | undefined {
  const kernelNames: Record<string, string> = {
    relu: 'Relu',
    relu6: 'Relu6',
    elu: 'Elu',
    leakyrelu: 'LeakyRelu',
    sigmoid: 'Sigmoid',
  };
  const steps: ((x: TensorInfo) => TensorInfo | undefined)[] = [];
  if (bias) steps.push((x) => binary(backend, 'Add', x, bias));
  if (activation === 'prelu' && preluActivationWeights) {
    steps.push((x) => binary(backend, 'Prelu', x, preluActivationWeights));
  } else if (activation && activation !== 'linear') {
    steps.push((x) => unary(backend, kernelNames[activation], x, { alpha: leakyreluAlpha }));
  }
  let current: TensorInfo | undefined = product;
  for (const step of steps) {
    const next: TensorInfo | undefined = step(current);
    backend.disposeIntermediateTensorInfo(current);
    if (!next) return undefined;
    current = next;
  }
  return current;
}

/** Whether `bias` adds one number a column, or one number. */
function isRow({ shape }: TensorInfo, columns: number): boolean {
  const size = sizeOf(shape);
  return size === (shape.at(-1) ?? 1) && (size === 1 || size === columns);
}

tfjsKernel<{ a: TensorInfo; b: TensorInfo }, BatchMatMulAttrs>(
  'BatchMatMul',
  ({ inputs: { a, b }, attrs, backend }) => matMul(backend, { a, b, ...attrs }),
);

tfjsKernel<_FusedMatMulInputs, _FusedMatMulAttrs>('_FusedMatMul', ({ inputs, attrs, backend }) => {
  const { a, b, bias, preluActivationWeights } = inputs;
  const { transposeA, transposeB, activation, leakyreluAlpha } = attrs;
  const product = { a, b, transposeA, transposeB };
  const columns = columnsOf(b, transposeB);
  if (ACTIVATIONS.includes(activation) && (!bias || isRow(bias, columns))) {
    return matMul(backend, { ...product, bias }, { activation, leakyreluAlpha });
  }
  const plain = matMul(backend, product);
  return (
    plain && addAndActivate(backend, plain, { bias, preluActivationWeights }, { activation, leakyreluAlpha })
  );
});
