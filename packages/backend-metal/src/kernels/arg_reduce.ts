import { util } from '@tensorflow/tfjs-core';
import type { ArgMaxAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementType, makeTensor } from './element_type.ts';
import { groupThreads } from './reduce.ts';
import { withRowsAlong } from './rows.ts';

for (const [kernelName, smallest] of [
  ['ArgMax', false],
  ['ArgMin', true],
] as const) {
  tfjsKernel<{ x: TensorInfo }, ArgMaxAttrs>(kernelName, ({ inputs: { x }, attrs, backend }) => {
    const [axis] = util.parseAxisParam(attrs.axis, x.shape);
    return withRowsAlong(backend, x, axis, false, ({ x: source, rows, length }) => {
      const output = makeTensor(backend, source.shape.slice(0, -1), 'int32');
      backend.dispatch({
        shader: 'arg_reduce',
        function: 'arg_reduce',
        constants: { x_type: elementType(backend, source), smallest },
        buffers: [source, output],
        params: [uint32(length)],
        threadgroups: [rows, 1, 1],
        threads: [groupThreads(length), 1, 1],
      });
      return output;
    });
  });
}
