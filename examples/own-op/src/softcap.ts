import { Checks, defineOp, storageOf } from '@attention-js/core';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { softcapCpu } from './softcap.cpu.ts';

/** Inputs of {@link softcap} by name, as its kernels get them. */
export interface SoftcapInputs {
  /** Any shape, float32. */
  x: TensorInfo;
}

/** Attributes of {@link softcap}. */
export interface SoftcapAttributes {
  /** The largest magnitude of a result. */
  cap: number;
}

const checks = new Checks('softcap');

/** The op behind {@link softcap}: `softcapOp.kernel('webgl', …)` gives it a kernel for another backend. */
export const softcapOp = defineOp<SoftcapInputs, SoftcapAttributes>({
  name: 'Softcap',
  check({ x }, { cap }) {
    checks.dtype('x', x, 'float32');
    checks.finite('cap', cap, 0);
  },
  outputs: ({ x }) => [{ shape: x.shape, dtype: 'float32', storage: storageOf(x) }],
  kernels: { cpu: softcapCpu },
});

/**
 * `cap · tanh(x / cap)`: bounds logits smoothly, as Gemma 2 does before it samples.
 *
 * @param x Any shape, float32 in any storage type.
 * @param cap The largest magnitude of a result; greater than 0.
 * @returns The shape and storage type of `x`.
 */
export function softcap<T extends Tensor>(x: T, cap: number): T {
  return softcapOp({ x }, { cap })[0] as T;
}
