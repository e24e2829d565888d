import { varlenAttentionOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { attend } from './attention.ts';

metalKernel(varlenAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask } = inputs;
  const [keys, kvHeads] = key.shape;
  const { maxSeqlenQ = Infinity, maxSeqlenK = Infinity } = attrs;
  return attend(backend, {
    shader: 'varlen_attention',
    query,
    buffers: [key, value, cuSeqlensQ, cuSeqlensK, attentionMask],
    heads: inputs,
    attrs,
    outputs,
    kvHeads,
    sequences: cuSeqlensQ.shape[0] - 1,
    hasCuSeqlensQ: true,
    longest: { query: maxSeqlenQ, context: Math.min(maxSeqlenK, keys) },
    contiguous: { keys, maskShape: attentionMask && [1, 1, 1, ...attentionMask.shape].slice(-3) },
  });
});
