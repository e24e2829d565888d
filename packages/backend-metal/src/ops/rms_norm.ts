import { sizeOf } from '@attention-js/backend-common';
import { rmsNormOp } from '@attention-js/core';
import { isVectorized, PACK } from '../grid.ts';
import { metalKernel } from '../metal_kernel.ts';
import { float32, uint32 } from '../params.ts';

const SIMD_WIDTH = 32;
const MAX_THREADS = 256;

metalKernel(rmsNormOp, ({ inputs: { x, weight, residual }, attrs, outputs, backend }) => {
  const [normed, residualSum] = outputs.map((spec) => backend.makeOutput(spec));
  const width = weight.shape[0];
  const vectorized = isVectorized(width);
  const accesses = vectorized ? width / PACK : width;
  const simdgroups = Math.ceil(accesses / (2 * SIMD_WIDTH));
  backend.dispatch({
    shader: 'rms_norm',
    function: `rms_norm_${backend.mslType(x)}_${backend.mslType(weight)}`,
    constants: { has_residual: residual !== undefined, vectorized },
    buffers: [x, weight, residual, normed, residualSum],
    params: [uint32(width), float32(attrs.epsilon), float32(attrs.addUnitOffset ? 1 : 0)],
    threadgroups: [width === 0 ? 0 : sizeOf(x.shape.slice(0, -1)), 1, 1],
    threads: [Math.max(SIMD_WIDTH, Math.min(MAX_THREADS, simdgroups * SIMD_WIDTH)), 1, 1],
  });
  return residual ? [normed, residualSum] : [normed];
});
