import { util } from '@tensorflow/tfjs-core';
import type { ArgMaxAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { withRowsAlong } from './rows.ts';
import { makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const argReduceKernel = (kernelName: string, smallest: boolean): TfjsKernel =>
  tfjsKernel<{ x: TensorInfo }, ArgMaxAttrs>(kernelName, ({ inputs: { x }, attrs, backend }) => {
    const [axis] = util.parseAxisParam(attrs.axis, x.shape);
    return withRowsAlong(backend, x, axis, false, (source) => {
      const output = makeTensor(backend, source.x.shape.slice(0, -1), 'int32');
      backend.launches.argReduce(backend, { ...source, output, smallest });
      return output;
    });
  });

export const argReduceKernels: readonly TfjsKernel[] = [
  argReduceKernel('ArgMax', false),
  argReduceKernel('ArgMin', true),
];
