import { paramsTable } from '@attention-js/backend-common';
import type { MultinomialLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { cumulate } from './cumulate.ts';
import { elementTypeOf } from './element_type.ts';
import { softmax } from './softmax.ts';

const kernel = shaderKernel(
  'multinomial',
  ['probabilities', 'sums', 'output'],
  paramsTable('MultinomialParams', {
    events: 'uint32',
    samples: 'uint32',
    size: 'uint32',
    key0: 'uint32',
    key1: 'uint32',
  }),
);

export function multinomial(
  backend: MetalBackend,
  { logits, output, rows, events, samples, isNormalized, seed }: MultinomialLaunch,
): void {
  const makeRows = () => backend.makeOutput({ shape: [rows, events], dtype: 'float32' });
  const probabilities = isNormalized ? logits : makeRows();
  if (!isNormalized) softmax(backend, { x: logits, output: probabilities, rows, length: events });
  const sums = makeRows();
  cumulate(backend, {
    x: probabilities,
    output: sums,
    rows,
    length: events,
    product: false,
    exclusive: false,
    reverse: false,
  });
  // The seed may be any number; its bits are the generator's key.
  const [key0, key1] = new Uint32Array(Float64Array.of(seed).buffer);
  const size = rows * samples;
  backend.run(
    kernel,
    { probabilities, sums, output },
    { events, samples, size, key0, key1 },
    {
      constants: { probability_type: elementTypeOf(backend, probabilities), normalized: isNormalized },
      ...stridedGrid(size, 1),
    },
  );
  if (!isNormalized) backend.disposeIntermediateTensorInfo(probabilities);
  backend.disposeIntermediateTensorInfo(sums);
}
