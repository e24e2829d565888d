import { sizeOf } from '@attention-js/backend-common';
import type { OutputSpec } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { FunctionConstants } from '../dispatch.ts';
import { isVectorized, PACK, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';

/** Runs a shader over rows `[gate | up]` of `x`, which is `spec` with its last dimension twice as long. */
export function gatedActivation(
  backend: MetalBackend,
  shader: string,
  x: TensorInfo,
  spec: OutputSpec,
  constants: FunctionConstants = {},
): TensorInfo {
  const output = backend.makeOutput(spec);
  const width = spec.shape[spec.shape.length - 1];
  const vectorized = isVectorized(width);
  backend.dispatch({
    shader,
    function: `${shader}_${backend.mslType(x)}`,
    constants: { ...constants, vectorized },
    buffers: [x, output],
    params: [uint32(width)],
    ...stridedGrid(vectorized ? width / PACK : width, 2, sizeOf(spec.shape.slice(0, -1))),
  });
  return output;
}
