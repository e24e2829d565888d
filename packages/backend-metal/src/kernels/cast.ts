import type { CastAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../grid.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { converted } from './copy.ts';
import { haveType } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

/** On the host a cast to a wider dtype shares its input's memory, of another dtype then. Here it never does. */
tfjsKernel<{ x: TensorInfo }, CastAttrs>('Cast', ({ inputs: { x }, attrs: { dtype }, backend }) => {
  const target = dtype;
  const isServed = haveType([x], 'float32', 'int32', 'bool') && ['float32', 'int32', 'bool'].includes(target);
  if (!isServed || sizeOf(x.shape) >= MAX_SIZE) return undefined;
  if (x.dtype !== target) return converted(backend, x, target as NumericType);
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: target };
});
