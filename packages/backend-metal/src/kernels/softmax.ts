import type { SoftmaxAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementType, haveType, makeTensor } from './element_type.ts';
import { groupThreads } from './reduce.ts';
import { rowsOf } from './rows.ts';

tfjsKernel<{ logits: TensorInfo }, SoftmaxAttrs>(
  'Softmax',
  ({ inputs: { logits }, attrs: { dim }, backend }) => {
    const isLast = dim === -1 || dim === logits.shape.length - 1;
    const source = haveType([logits], 'float32') && isLast ? rowsOf(logits) : undefined;
    if (!source) return undefined;
    const output = makeTensor(backend, logits.shape, 'float32', backend.storageOf(logits.dataId));
    backend.dispatch({
      shader: 'softmax',
      function: 'softmax',
      constants: { x_type: elementType(backend, logits) },
      buffers: [logits, output],
      params: [uint32(source.length)],
      threadgroups: [source.rows, 1, 1],
      threads: [groupThreads(source.length), 1, 1],
    });
    return output;
  },
);
