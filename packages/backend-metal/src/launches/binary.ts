import { paramsTable } from '@attention-js/backend-common';
import type { BinaryLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { computeType, elementTypeOf } from './element_type.ts';

const ELEMENTS_PER_THREAD = 8;

const kernel = shaderKernel(
  'binary',
  ['a', 'b', 'output'],
  paramsTable('BinaryParams', {
    aStrides: 'int64[6]',
    bStrides: 'int64[6]',
    shape: 'uint32[6]',
    rank: 'uint32',
    size: 'uint32',
  }),
);

export function binary(backend: MetalBackend, { operation, a, b, output, size, walk }: BinaryLaunch): void {
  const { shape, strides } = walk;
  const isContiguous = strides.every((own) => own.length === 0 || (own.length === 1 && own[0] === 1));
  backend.run(
    kernel,
    { a, b, output },
    { aStrides: strides[0], bStrides: strides[1], shape, rank: shape.length, size },
    {
      variant: computeType(a),
      constants: {
        operation,
        a_type: elementTypeOf(backend, a),
        b_type: elementTypeOf(backend, b),
        output_type: elementTypeOf(backend, output),
        contiguous: isContiguous,
      },
      ...stridedGrid(size, ELEMENTS_PER_THREAD),
    },
  );
}
