import type { OutputSpec } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';

/** Runs `name` over rows `[gate | up]` of `x`, which is `spec` with its last dimension twice as long. */
export function gatedActivation(
  backend: CudaBackend,
  name: string,
  x: TensorInfo,
  spec: OutputSpec,
  ...options: boolean[]
): TensorInfo {
  const output = backend.makeOutput(spec);
  const rows = util.sizeFromShape(spec.shape.slice(0, -1));
  backend.run(name, [x, output, rows, spec.shape[spec.shape.length - 1], ...options]);
  return output;
}
