import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Checks } from '../checks.ts';
import type { OutputSpec } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';

/** Checks that `x` is float32 `[.., 2n]`. */
export function checkGated(checks: Checks, x: TensorInfo): void {
  const even = x.shape.length > 0 && x.shape[x.shape.length - 1] % 2 === 0;
  checks.expectShape(even, 'x', x, 'shape [.., 2n]: gate, then up');
  checks.dtype('x', x, 'float32');
}

/** The output `[.., n]` for an input `[.., 2n]`. */
export function gatedOutput(x: TensorInfo): OutputSpec {
  const shape = [...x.shape.slice(0, -1), x.shape[x.shape.length - 1] / 2];
  return { shape, dtype: 'float32', storage: storageOf(x) };
}
