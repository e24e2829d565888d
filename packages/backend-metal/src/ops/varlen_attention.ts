import { varlenAttentionOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { attend, attentionKernel } from './attention.ts';

const kernel = attentionKernel('varlen_attention', ['key', 'value', 'cuSeqlensQ', 'cuSeqlensK', 'mask?']);

metalKernel(varlenAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask } = inputs;
  const [keys, kvHeads] = key.shape;
  return attend(backend, {
    kernel,
    query,
    keyTensors: { key, value, cuSeqlensQ, cuSeqlensK, mask: attentionMask },
    heads: inputs,
    attrs,
    outputs,
    kvHeads,
    sequences: cuSeqlensQ.shape[0] - 1,
    hasCuSeqlensQ: true,
    longest: { query: attrs.maxSeqlenQ, context: attrs.maxSeqlenK },
    maxKeys: keys,
    contiguous: { keys, maskShape: attentionMask && [1, 1, 1, ...attentionMask.shape].slice(-3) },
  });
});
