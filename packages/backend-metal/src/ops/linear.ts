import { matMul, sizeOf } from '@attention-js/backend-common';
import { AttentionError, linearOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';

metalKernel(linearOp, ({ inputs: { x, weight, bias }, outputs: [{ shape }], backend }) => {
  const rows = sizeOf(x.shape.slice(0, -1));
  const a = { ...x, shape: [rows, weight.shape[1]] };
  const output = matMul(backend, { a, b: weight, bias, transposeA: false, transposeB: true });
  if (!output) throw new AttentionError('ERR_UNSUPPORTED', '[linear] no metal kernel for these sizes');
  return [{ ...output, shape }];
});
