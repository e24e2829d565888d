import { castStorageOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { convertElements } from './convert_elements.ts';

metalKernel(castStorageOp, ({ inputs: { x }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  convertElements(backend, 'cast_storage', { from: x, to: output, buffers: [x, output] });
  return [output];
});
