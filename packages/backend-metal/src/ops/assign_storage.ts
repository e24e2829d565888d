import { assignStorageOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { convertElementsParams, convertLaunch } from './convert_elements.ts';

const kernel = shaderKernel('assign_storage', ['destination', 'source'], convertElementsParams);

metalKernel(assignStorageOp, ({ inputs: { destination, source }, backend }) => {
  const { params, launch } = convertLaunch(backend, source, destination);
  backend.run(kernel, { destination, source }, params, launch);
  return [];
});
