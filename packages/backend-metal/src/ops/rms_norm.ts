import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { rmsNormOp } from '@attention-js/core';
import { isVectorized, PACK } from '../grid.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const SIMD_WIDTH = 32;
const MAX_THREADS = 256;

const kernel = shaderKernel(
  'rms_norm',
  ['x', 'weight', 'residual?', 'normed', 'residualSum?'],
  paramsTable('RmsNormParams', { width: 'uint32', epsilon: 'float32', weightOffset: 'float32' }),
);

metalKernel(rmsNormOp, ({ inputs: { x, weight, residual }, attrs, outputs, backend }) => {
  const [normed, residualSum] = outputs.map((spec) => backend.makeOutput(spec));
  const width = weight.shape[0];
  const vectorized = isVectorized(width);
  const accesses = vectorized ? width / PACK : width;
  const simdgroups = Math.ceil(accesses / (2 * SIMD_WIDTH));
  backend.run(
    kernel,
    { x, weight, residual, normed, residualSum },
    { width, epsilon: attrs.epsilon, weightOffset: attrs.addUnitOffset ? 1 : 0 },
    {
      variant: `${backend.mslType(x)}_${backend.mslType(weight)}`,
      constants: { has_residual: residual !== undefined, vectorized },
      threadgroups: [width === 0 ? 0 : sizeOf(x.shape.slice(0, -1)), 1, 1],
      threads: [Math.max(SIMD_WIDTH, Math.min(MAX_THREADS, simdgroups * SIMD_WIDTH)), 1, 1],
    },
  );
  return residual ? [normed, residualSum] : [normed];
});
