import { varlenAttentionOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { attend, attentionOperation } from './attention.ts';

const varlenAttention = attentionOperation('varlenAttention');

cudaKernel(varlenAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask } = inputs;
  const [keys, kvHeads] = key.shape;
  return attend(backend, {
    operation: varlenAttention,
    query,
    key,
    value,
    cuSeqlensQ,
    heads: inputs,
    attrs,
    outputs,
    sequences: cuSeqlensQ.shape[0] - 1,
    kvHeads,
    contiguous: { cuSeqlensK, keys, mask: attentionMask },
    longest: { query: attrs.maxSeqlenQ, context: attrs.maxSeqlenK },
    maxKeys: keys,
  });
});
