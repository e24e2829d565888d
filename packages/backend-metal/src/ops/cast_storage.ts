import { castStorageOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { convertElementsParams, convertLaunch } from './convert_elements.ts';

const kernel = shaderKernel('cast_storage', ['x', 'output'], convertElementsParams);

metalKernel(castStorageOp, ({ inputs: { x }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const { params, launch } = convertLaunch(backend, x, output);
  backend.run(kernel, { x, output }, params, launch);
  return [output];
});
