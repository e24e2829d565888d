import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { linearCpu } from './linear.cpu.ts';

/** Inputs of {@link linear} by name. */
export interface LinearInputs {
  /** `[.., inputs]`. */
  x: TensorInfo;
  /** `[outputs, inputs]`. */
  weight: TensorInfo;
  /** `[outputs]`. */
  bias?: TensorInfo;
}

const checks = new Checks('linear');

/** The op behind {@link linear}, for packages that add a kernel. */
export const linearOp = defineCoreOp<LinearInputs, object>({
  name: 'Linear',
  optional: ['bias'],
  blockInputs: ['weight'],
  check({ x, weight, bias }) {
    checks.dtype('x', x, 'float32');
    checks.shape('weight', weight, ['outputs', 'inputs']);
    const [outputs, inputs] = weight.shape;
    const fits = x.shape.at(-1) === inputs;
    if (!fits) checks.fail('ERR_SHAPE', 'x', `shape [.., ${inputs}] to match the inputs of weight`, x.shape);
    checks.weightStorage('weight', weight, 'x', x);
    if (!bias) return;
    checks.shape('bias', bias, [outputs], ': one element per output');
    checks.sameStorage('bias', bias, 'x', x);
  },
  outputs: ({ x, weight }) => [
    { shape: [...x.shape.slice(0, -1), weight.shape[0]], dtype: 'float32', storage: storageOf(x) },
  ],
  kernels: { cpu: linearCpu },
});

/**
 * `x · weightᵀ + bias`: a projection, with the weight in the layout of PyTorch and safetensors. Unlike tfjs's `matMul`, it
 * keeps the storage type on every backend; sums are float32 or better, and the result is rounded once.
 *
 * @param x `[.., inputs]` float32 in any storage type; the leading dimensions are rows.
 * @param weight `[outputs, inputs]` in the storage type of `x` or in a block type.
 * @param bias `[outputs]` in the storage type of `x`; none by default.
 * @returns `[.., outputs]` in the storage type of `x`.
 * @throws AttentionError `ERR_SHAPE`, `ERR_DTYPE` for arguments that do not fit, naming them; `ERR_UNSUPPORTED` for a block
 * type on a backend without kernels for them.
 * @see PyTorch's `torch.nn.functional.linear`.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return linearOp({ x, weight, bias }, {})[0];
}
