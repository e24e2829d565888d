import { assignStorageOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { convertElements } from './convert_elements.ts';

metalKernel(assignStorageOp, ({ inputs: { destination, source }, backend }) => {
  convertElements(backend, 'assign_storage', {
    from: source,
    to: destination,
    buffers: [destination, source],
  });
  return [];
});
