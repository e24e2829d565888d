import { util } from '@tensorflow/tfjs-core';
import type { CumsumAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { withRowsAlong } from './rows.ts';
import { makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const cumulateKernel = (kernelName: string, product: boolean): TfjsKernel =>
  tfjsKernel<{ x: TensorInfo }, CumsumAttrs>(kernelName, ({ inputs: { x }, attrs, backend }) => {
    const { exclusive, reverse } = attrs;
    const [axis] = util.parseAxisParam(attrs.axis, x.shape);
    return withRowsAlong(backend, x, axis, true, (source) => {
      const dtype = x.dtype === 'float32' ? 'float32' : 'int32';
      const output = makeTensor(backend, source.x.shape, dtype, backend.elementStorageOf(x.dataId));
      backend.launches.cumulate(backend, { ...source, output, product, exclusive, reverse });
      return output;
    });
  });

export const cumulateKernels: readonly TfjsKernel[] = [
  cumulateKernel('Cumsum', false),
  cumulateKernel('Cumprod', true),
];
