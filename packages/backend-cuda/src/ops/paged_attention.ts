import { cacheLayout, pagedAttentionOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';
import { attend } from './attention.ts';

cudaKernel(pagedAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, keyCache, valueCache, blockTables, contextLens, cuSeqlensQ } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads } = cacheLayout(keyCache, valueCache);
  const [sequences, maxBlocks] = blockTables.shape;
  return attend(backend, {
    binding: 'pagedAttention',
    query,
    key: keyCache,
    value: valueCache,
    cuSeqlensQ,
    heads: inputs,
    attrs,
    outputs,
    sequences,
    kvHeads: numKvHeads,
    keys: [blockTables, contextLens, layout === 'vllm', numBlocks, blockSize, maxBlocks],
    longest: { query: attrs.maxSeqlenQ, context: attrs.maxContextLen },
    maxKeys: maxBlocks * blockSize,
  });
});
