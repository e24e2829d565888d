import { backend_util, util } from '@tensorflow/tfjs-core';
import type {
  BatchMatMulAttrs,
  TensorInfo,
  _FusedMatMulAttrs,
  _FusedMatMulInputs,
} from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { MatMulActivation } from '../enumerations.ts';
import { sizeOf } from '../shapes.ts';
import { binary } from './binary.ts';
import { transposed, withStorage } from './copy.ts';
import { broadcastStrides, collapse } from './strides.ts';
import { haveType, makeTensor, promotedStorage } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';
import { unary } from './unary.ts';

/** Whether the product's kernel can apply this activation. */
const isFusedActivation = (activation: string): activation is keyof typeof MatMulActivation =>
  Object.hasOwn(MatMulActivation, activation);

/** The activation of a product. */
export interface Activation {
  activation?: keyof typeof MatMulActivation;
  /** The slope of `leakyrelu`. */
  leakyreluAlpha?: number;
}

/** A batched matrix product, with tfjs's semantics. */
export interface Product {
  a: TensorInfo;
  b: TensorInfo;
  /** One element per column, or one for all. */
  bias?: TensorInfo;
  transposeA: boolean;
  transposeB: boolean;
}

/** The permutation that swaps the last two axes. */
function swapLast(rank: number): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return [...axes.slice(0, -2), rank - 1, rank - 2];
}

function columnsOf({ shape }: TensorInfo, isTransposed: boolean): number {
  return shape[shape.length - (isTransposed ? 2 : 1)];
}

/** Throws the errors of tfjs's `cpu` kernel; tfjs's op checks nothing. */
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

/** Computes `a · b` with a bias and an activation. Returns `undefined` if the device's kernels do not support it. */
export function matMul(
  backend: DeviceBackend,
  { a, b, bias, transposeA, transposeB }: Product,
  { activation = 'linear', leakyreluAlpha = 0 }: Activation = {},
): TensorInfo | undefined {
  checkShapes(a.shape, b.shape, transposeA, transposeB);
  const operands = bias ? [a, b, bias] : [a, b];
  if (!haveType(operands, 'float32')) return undefined;
  const { launches } = backend;
  const { limits } = launches;
  if (transposeA && !limits.transposeA) {
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
  const [rowsOfA, depth] = transposeA ? a.shape.slice(-2).toReversed() : a.shape.slice(-2);
  const columns = columnsOf(b, transposeB);
  const batchesOfA = a.shape.slice(0, -2);
  const batchesOfB = b.shape.slice(0, -2);
  const batchShape = backend_util.assertAndGetBroadcastShape(batchesOfA, batchesOfB);
  const shape = [...batchShape, rowsOfA, columns];

  // If all batches multiply the same b, their rows form one matrix.
  const isOneMatrix = sizeOf(batchesOfB) === 1 && (!transposeA || sizeOf(batchesOfA) === 1);
  const rows = isOneMatrix ? sizeOf(batchesOfA) * rowsOfA : rowsOfA;
  const batch = isOneMatrix
    ? { shape: [], strides: [[], []] }
    : collapse(
        batchShape,
        [
          broadcastStrides(batchesOfA, batchShape).map((stride) => stride * rowsOfA * depth),
          broadcastStrides(batchesOfB, batchShape).map((stride) => stride * depth * columns),
        ],
        limits.batchRank,
      );
  if (!batch) return undefined;

  const storage = promotedStorage(backend, ...operands);
  return withStorage(backend, operands, storage, ([left, right, addend]) => {
    const output = makeTensor(backend, shape, 'float32', storage);
    if (sizeOf(shape) === 0) return output;
    launches.matMul(backend, {
      a: left,
      b: right,
      bias: addend,
      output,
      batch,
      rows,
      columns,
      depth,
      transposeA,
      transposeB,
      biasStride: bias && sizeOf(bias.shape) > 1 ? 1 : 0,
      activation: MatMulActivation[activation],
      slope: leakyreluAlpha,
    });
    return output;
  });
}

/** Applies bias and activation after the product, if its kernel cannot. */
function addAndActivate(
  backend: DeviceBackend,
  product: TensorInfo,
  { bias, preluActivationWeights }: Pick<_FusedMatMulInputs, 'bias' | 'preluActivationWeights'>,
  { activation, leakyreluAlpha }: Pick<_FusedMatMulAttrs, 'activation' | 'leakyreluAlpha'>,
): TensorInfo | undefined {
  const kernelNames = {
    relu: 'Relu',
    relu6: 'Relu6',
    elu: 'Elu',
    leakyrelu: 'LeakyRelu',
    sigmoid: 'Sigmoid',
  } as const;
  const steps: ((x: TensorInfo) => TensorInfo | undefined)[] = [];
  if (bias) steps.push((x) => binary(backend, 'Add', x, bias));
  if (activation === 'prelu') {
    if (preluActivationWeights) steps.push((x) => binary(backend, 'Prelu', x, preluActivationWeights));
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

/** Whether `bias` has one element per column, or one in all. */
function isRow({ shape }: TensorInfo, columns: number): boolean {
  const size = sizeOf(shape);
  return size === (shape.at(-1) ?? 1) && (size === 1 || size === columns);
}

const batchMatMul = tfjsKernel<{ a: TensorInfo; b: TensorInfo }, BatchMatMulAttrs>(
  'BatchMatMul',
  ({ inputs: { a, b }, attrs, backend }) => matMul(backend, { a, b, ...attrs }),
);

const fusedMatMul = tfjsKernel<_FusedMatMulInputs, _FusedMatMulAttrs>(
  '_FusedMatMul',
  ({ inputs, attrs, backend }) => {
    const { a, b, bias, preluActivationWeights } = inputs;
    const { transposeA, transposeB, activation, leakyreluAlpha } = attrs;
    const product = { a, b, transposeA, transposeB };
    const columns = columnsOf(b, transposeB);
    if (isFusedActivation(activation) && (!bias || isRow(bias, columns))) {
      return matMul(backend, { ...product, bias }, { activation, leakyreluAlpha });
    }
    const plain = matMul(backend, product);
    return (
      plain &&
      addAndActivate(backend, plain, { bias, preluActivationWeights }, { activation, leakyreluAlpha })
    );
  },
);

export const matMulKernels: readonly TfjsKernel[] = [batchMatMul, fusedMatMul];
