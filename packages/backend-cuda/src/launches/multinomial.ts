import type { MultinomialLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function multinomial(backend: CudaBackend, launch: MultinomialLaunch): void {
  const { logits, output, rows, events, samples, isNormalized, seed } = launch;
  // The seed may be any number: its bits are the key.
  const [low, high] = new Uint32Array(Float64Array.of(seed).buffer);
  backend.run('multinomial', [logits, output, rows, events, samples, isNormalized, low, high]);
}
