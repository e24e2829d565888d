import { util } from '@tensorflow/tfjs-core';
import type { CumsumAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { computeType, elementType, makeTensor } from './element_type.ts';
import { groupThreads } from './reduce.ts';
import { withRowsAlong } from './rows.ts';

for (const [kernelName, product] of [
  ['Cumsum', false],
  ['Cumprod', true],
] as const) {
  tfjsKernel<{ x: TensorInfo }, CumsumAttrs>(kernelName, ({ inputs: { x }, attrs, backend }) => {
    const { exclusive, reverse } = attrs;
    const [axis] = util.parseAxisParam(attrs.axis, x.shape);
    return withRowsAlong(backend, x, axis, true, ({ x: source, rows, length }) => {
      const dtype = source.dtype === 'float32' ? 'float32' : 'int32';
      const output = makeTensor(backend, source.shape, dtype, backend.storageOf(source.dataId));
      backend.dispatch({
        shader: 'cumulate',
        function: `cumulate_${computeType(source)}`,
        constants: {
          x_type: elementType(backend, source),
          output_type: elementType(backend, output),
          product,
          exclusive,
          reversed: reverse,
        },
        buffers: [source, output],
        params: [uint32(length)],
        threadgroups: [rows, 1, 1],
        threads: [groupThreads(length), 1, 1],
      });
      return output;
    });
  });
}
