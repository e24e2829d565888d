import { varlenAttentionOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';
import { attend } from './attention.ts';

cudaKernel(varlenAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask } = inputs;
  const [keys, kvHeads] = key.shape;
  const maskShape = attentionMask ? [1, 1, 1, ...attentionMask.shape].slice(-3) : [0, 0, 0];
  return attend(backend, {
    binding: 'varlenAttention',
    query,
    key,
    value,
    cuSeqlensQ,
    heads: inputs,
    attrs,
    outputs,
    sequences: cuSeqlensQ.shape[0] - 1,
    kvHeads,
    keys: [cuSeqlensK, attentionMask, keys, ...maskShape],
    longest: { query: attrs.maxSeqlenQ, context: attrs.maxSeqlenK },
    maxKeys: keys,
  });
});
