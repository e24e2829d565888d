import { isBlockStorage, linearOp } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import { cudaKernel } from '../cuda_backend.ts';
import { blockLinear } from '../launches/block_linear.ts';
import { matMul } from '../launches/matmul.ts';

/** A batch of one product. */
const NO_BATCH = { shape: [], strides: [[], []] };

cudaKernel(
  linearOp,
  ({ inputs: { x, weight, bias }, outputs: [spec], backend }) => {
    const output = backend.makeOutput(spec);
    if (isBlockStorage(backend.storageOf(weight.dataId))) {
      blockLinear(backend, { x, weight, bias, output });
      return [output];
    }
    const [columns, depth] = weight.shape;
    matMul(backend, {
      a: x,
      b: weight,
      bias,
      output,
      batch: NO_BATCH,
      rows: util.sizeFromShape(x.shape.slice(0, -1)),
      columns,
      depth,
      transposeA: false,
      transposeB: true,
      biasStride: 1,
      activation: 0,
      slope: 0,
    });
    return [output];
  },
  { takesBlocks: true },
);
