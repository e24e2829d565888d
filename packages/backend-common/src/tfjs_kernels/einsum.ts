import { backend_util, util } from '@tensorflow/tfjs-core';
import type { EinsumAttrs, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { sizeOf } from '../shapes.ts';
import { binary } from './binary.ts';
import { transposed } from './copy.ts';
import { matMul } from './matmul.ts';
import { reduce } from './reduce.ts';
import { haveType } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

/** A tensor whose axes are named by the numbers of the equation's letters; the output's letters come first. */
interface Term {
  x: TensorInfo;
  axes: readonly number[];
}

/** The steps of a contraction. Each returns `undefined` if the device's kernels do not support it. */
class Contraction {
  readonly #backend: DeviceBackend;
  readonly #temporaries: TensorInfo[] = [];

  constructor(backend: DeviceBackend) {
    this.#backend = backend;
  }

  #keep(x: TensorInfo | undefined): TensorInfo | undefined {
    if (x) this.#temporaries.push(x);
    return x;
  }

  /** The term summed over the axes not in `wanted`. */
  sum({ x, axes }: Term, wanted: readonly number[]): Term | undefined {
    const positions = axes
      .map((_, position) => position)
      .filter((position) => !wanted.includes(axes[position]));
    if (positions.length === 0) return { x, axes };
    const sum = this.#keep(reduce(this.#backend, 'Sum', x, positions));
    return sum && { x: sum, axes: axes.filter((axis) => wanted.includes(axis)) };
  }

  /** The term's tensor with its axes in the order of `wanted`. */
  order({ x, axes }: Term, wanted: readonly number[]): TensorInfo | undefined {
    if (util.arraysEqual([...axes], [...wanted])) return x;
    return this.#keep(
      transposed(
        this.#backend,
        x,
        wanted.map((axis) => axes.indexOf(axis)),
      ),
    );
  }

  /** The elementwise product, for equations without summed axes. */
  multiply(terms: readonly Term[], wanted: readonly number[]): Term | undefined {
    const factors = terms.map((term) => {
      const own = wanted.filter((axis) => term.axes.includes(axis));
      const x = this.order(term, own);
      const lengths = new Map(own.map((axis, position) => [axis, x?.shape[position] ?? 0]));
      return x && { ...x, shape: wanted.map((axis) => lengths.get(axis) ?? 1) };
    });
    const [a, b] = factors;
    const product = a && b && this.#keep(binary(this.#backend, 'Multiply', a, b));
    return product && { x: product, axes: wanted };
  }

  /** The sum of products, as a matrix product. */
  matMul(left: Term, right: Term, summed: readonly number[]): Term | undefined {
    const batch = left.axes.filter((axis) => right.axes.includes(axis) && !summed.includes(axis));
    const rows = left.axes.filter((axis) => !right.axes.includes(axis));
    const columns = right.axes.filter((axis) => !left.axes.includes(axis));
    const a = this.#matrices(left, batch, rows, summed);
    const b = this.#matrices(right, batch, summed, columns);
    const product =
      a &&
      b &&
      this.#keep(
        matMul(this.#backend, { a: a.x, b: b.x, transposeA: a.isTransposed, transposeB: b.isTransposed }),
      );
    if (!product) return undefined;
    const axes = [...batch, ...rows, ...columns];
    const lengthOf = (axis: number): number =>
      left.axes.includes(axis)
        ? left.x.shape[left.axes.indexOf(axis)]
        : right.x.shape[right.axes.indexOf(axis)];
    return { x: { ...product, shape: axes.map(lengthOf) }, axes };
  }

  /** A term as a batch of matrices, or of transposed ones if its axes are in that order. */
  #matrices(
    term: Term,
    batch: readonly number[],
    rows: readonly number[],
    columns: readonly number[],
  ): { x: TensorInfo; isTransposed: boolean } | undefined {
    const isTransposed = util.arraysEqual([...term.axes], [...batch, ...columns, ...rows]) && rows.length > 0;
    const groups = isTransposed ? [batch, columns, rows] : [batch, rows, columns];
    const x = this.order(term, groups.flat());
    const lengthOf = (axis: number): number => term.x.shape[term.axes.indexOf(axis)];
    return x && { x: { ...x, shape: groups.map((axes) => sizeOf(axes.map(lengthOf))) }, isTransposed };
  }

  /** Frees all temporaries except `result`. */
  end(result: TensorInfo | undefined): void {
    for (const temporary of this.#temporaries) {
      if (temporary.dataId !== result?.dataId) this.#backend.disposeIntermediateTensorInfo(temporary);
    }
  }
}

const einsum = tfjsKernel<TensorInfo[], EinsumAttrs>('Einsum', ({ inputs, attrs: { equation }, backend }) => {
  const { allDims, summedDims, idDims } = backend_util.decodeEinsumEquation(equation, inputs.length);
  backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as Tensor[]);
  const wanted = allDims.map((_, axis) => axis).slice(0, allDims.length - summedDims.length);
  const outputLetters = equation.replace(/\s/g, '').split('->')[1];
  if (!haveType(inputs, 'float32') || outputLetters.length !== wanted.length) return undefined;
  if (inputs.some(({ shape }) => sizeOf(shape) === 0)) return undefined;

  const contraction = new Contraction(backend);
  const run = (): TensorInfo | undefined => {
    const shared = summedDims.filter((axis) => idDims.every((axes) => axes.includes(axis)));
    const isProduct = inputs.length === 2;
    const terms = inputs.map((x, i) =>
      contraction.sum({ x, axes: idDims[i] }, isProduct ? [...wanted, ...shared] : wanted),
    );
    const [left, right] = terms;
    if (!left || !isProduct) return left && contraction.order(left, wanted);
    if (!right) return undefined;
    const product =
      shared.length > 0
        ? contraction.matMul(left, right, shared)
        : contraction.multiply([left, right], wanted);
    return product && contraction.order(product, wanted);
  };
  const output = run();
  contraction.end(output);
  if (output && inputs.some(({ dataId }) => dataId === output.dataId)) backend.incRef(output.dataId);
  return output && { ...output };
});

export const einsumKernels: readonly TfjsKernel[] = [einsum];
