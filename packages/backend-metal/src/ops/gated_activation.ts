import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { OutputSpec } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { isVectorized, PACK, stridedGrid } from '../grid.ts';
import type { FunctionConstants } from '../launch.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const table = paramsTable('GatedActivationParams', { width: 'uint32' });

/** Describes a kernel over rows `[gate | up]`. */
export const gatedActivationKernel = (shader: string) => shaderKernel(shader, ['x', 'output'], table);

/** Runs such a kernel. `x` has the shape of `spec` with its last dimension doubled. */
export function gatedActivation(
  backend: MetalBackend,
  kernel: ReturnType<typeof gatedActivationKernel>,
  x: TensorInfo,
  spec: OutputSpec,
  constants: FunctionConstants = {},
): TensorInfo {
  const output = backend.makeOutput(spec);
  const width = spec.shape[spec.shape.length - 1];
  const vectorized = isVectorized(width);
  backend.run(
    kernel,
    { x, output },
    { width },
    {
      variant: backend.mslType(x),
      constants: { ...constants, vectorized },
      ...stridedGrid(vectorized ? width / PACK : width, 2, sizeOf(spec.shape.slice(0, -1))),
    },
  );
  return output;
}
