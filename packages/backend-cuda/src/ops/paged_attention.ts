import { cacheLayout, pagedAttentionOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { attend, attentionOperation } from './attention.ts';

const pagedAttention = attentionOperation('pagedAttention');

cudaKernel(pagedAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, keyCache, valueCache, blockTables, contextLens, cuSeqlensQ } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads } = cacheLayout(keyCache, valueCache);
  const [sequences, maxBlocks] = blockTables.shape;
  return attend(backend, {
    operation: pagedAttention,
    query,
    key: keyCache,
    value: valueCache,
    cuSeqlensQ,
    heads: inputs,
    attrs,
    outputs,
    sequences,
    kvHeads: numKvHeads,
    paged: { blockTables, contextLens, layout, numBlocks, blockSize, maxBlocks },
    longest: { query: attrs.maxSeqlenQ, context: attrs.maxContextLen },
    maxKeys: maxBlocks * blockSize,
  });
});
