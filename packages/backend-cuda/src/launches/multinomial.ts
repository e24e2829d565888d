import { paramsTable } from '@attention-js/backend-common';
import type { MultinomialLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'multinomial',
  ['logits', 'output'],
  paramsTable('MultinomialParams', {
    rows: 'int64',
    events: 'int64',
    samples: 'int64',
    normalized: 'bool',
    key0: 'uint32',
    key1: 'uint32',
  }),
);

export function multinomial(backend: CudaBackend, launch: MultinomialLaunch): void {
  const { logits, output, rows, events, samples, isNormalized, seed } = launch;
  // The seed may be any number; its bits are the generator's key.
  const [key0, key1] = new Uint32Array(Float64Array.of(seed).buffer);
  backend.run(launcher, { logits, output }, { rows, events, samples, normalized: isNormalized, key0, key1 });
}
