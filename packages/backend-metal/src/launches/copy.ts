import { paramsTable } from '@attention-js/backend-common';
import type { CopyLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { computeType, elementBytes, elementTypeOf } from './element_type.ts';

const ELEMENTS_PER_THREAD = 8;

const table = paramsTable('CopyParams', {
  xStrides: 'int64[6]',
  outputStrides: 'int64[6]',
  xOffset: 'uint64',
  outputOffset: 'uint64',
  shape: 'uint32[6]',
  rank: 'uint32',
  size: 'uint32',
});
const [copyElements, convert] = ['copy', 'convert'].map((name) =>
  shaderKernel({ shader: 'copy', function: name }, ['x', 'output'], table),
);

export function copy(
  backend: MetalBackend,
  { x, output, size, walk: { shape, strides }, xOffset, outputOffset }: CopyLaunch,
): void {
  const xType = elementTypeOf(backend, x);
  const outputType = elementTypeOf(backend, output);
  const isConverted = xType !== outputType;
  const compute = output.dtype === 'float32' ? 'float' : computeType(x);
  backend.run(
    isConverted ? convert : copyElements,
    { x, output },
    {
      xStrides: strides[0],
      outputStrides: strides[1],
      xOffset,
      outputOffset,
      shape,
      rank: shape.length,
      size,
    },
    {
      variant: isConverted ? compute : String(elementBytes(backend, x)),
      constants: { x_type: xType, output_type: outputType },
      ...stridedGrid(size, ELEMENTS_PER_THREAD),
    },
  );
}
