import { matMul, sizeOf } from '@attention-js/backend-common';
import { AttentionError, isBlockStorage, linearOp } from '@attention-js/core';
import { blockLinear } from '../launches/block_linear.ts';
import { metalKernel } from '../metal_backend.ts';

metalKernel(
  linearOp,
  ({ inputs: { x, weight, bias }, outputs: [spec], backend }) => {
    if (isBlockStorage(backend.storageOf(weight.dataId))) {
      const output = backend.makeOutput(spec);
      blockLinear(backend, { x, weight, bias, output });
      return [output];
    }
    const rows = sizeOf(x.shape.slice(0, -1));
    const a = { ...x, shape: [rows, weight.shape[1]] };
    const output = matMul(backend, { a, b: weight, bias, transposeA: false, transposeB: true });
    if (!output) throw new AttentionError('ERR_UNSUPPORTED', '[linear] no metal kernel for these sizes');
    return [{ ...output, shape: spec.shape }];
  },
  { takesBlocks: true },
);
