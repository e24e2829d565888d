import type { MultinomialAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../shapes.ts';
import { haveType, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const multinomial = tfjsKernel<{ logits: TensorInfo }, MultinomialAttrs>(
  'Multinomial',
  ({ inputs: { logits }, attrs: { numSamples: samples, seed, normalized: isNormalized }, backend }) => {
    const { launches } = backend;
    const [rows, events] = logits.shape;
    const isServed = haveType([logits], 'float32') && logits.shape.length === 2 && events > 0;
    const size = Math.max(sizeOf(logits.shape), rows * samples);
    if (!isServed || size >= launches.limits.size) return undefined;
    const output = makeTensor(backend, [rows, samples], 'int32');
    if (rows * samples === 0) return output;
    launches.multinomial(backend, { logits, output, rows, events, samples, isNormalized, seed });
    return output;
  },
);

export const multinomialKernels: readonly TfjsKernel[] = [multinomial];
