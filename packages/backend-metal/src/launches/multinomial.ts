import type { MultinomialLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { cumulate } from './cumulate.ts';
import { elementType } from './element_type.ts';
import { softmax } from './softmax.ts';

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
  // The seed may be any number: its bits are the key.
  const [low, high] = new Uint32Array(Float64Array.of(seed).buffer);
  backend.dispatch({
    shader: 'multinomial',
    function: 'multinomial',
    constants: { probability_type: elementType(backend, probabilities), normalized: isNormalized },
    buffers: [probabilities, sums, output],
    params: [events, samples, rows * samples, low, high].map(uint32),
    ...stridedGrid(rows * samples, 1),
  });
  if (!isNormalized) backend.disposeIntermediateTensorInfo(probabilities);
  backend.disposeIntermediateTensorInfo(sums);
}
