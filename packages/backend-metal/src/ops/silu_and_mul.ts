import { siluAndMulOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

const THREADS = 256;
const ELEMENTS_PER_THREAD = 4; // as in silu_and_mul.metal

metalKernel(siluAndMulOp, ({ inputs: { x }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const width = spec.shape[spec.shape.length - 1];
  const rows = width === 0 ? 0 : spec.shape.slice(0, -1).reduce((product, length) => product * length, 1);
  backend.dispatch({
    shader: 'silu_and_mul',
    function: `silu_and_mul_${backend.mslType(x)}`,
    buffers: [x, output],
    params: [uint32(width)],
    threadgroups: [Math.ceil(width / (THREADS * ELEMENTS_PER_THREAD)), rows, 1],
    threads: [THREADS, 1, 1],
  });
  return [output];
});
