import type { SoftmaxAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { rowsOf } from './rows.ts';
import { haveType, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const softmax = tfjsKernel<{ logits: TensorInfo }, SoftmaxAttrs>(
  'Softmax',
  ({ inputs: { logits }, attrs: { dim }, backend }) => {
    const isLast = dim === -1 || dim === logits.shape.length - 1;
    const source = haveType([logits], 'float32') && isLast ? rowsOf(backend, logits) : undefined;
    if (!source) return undefined;
    const output = makeTensor(backend, logits.shape, 'float32', backend.elementStorageOf(logits.dataId));
    backend.launches.softmax(backend, { ...source, output });
    return output;
  },
);

export const softmaxKernels: readonly TfjsKernel[] = [softmax];
