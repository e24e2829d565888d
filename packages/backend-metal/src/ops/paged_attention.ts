import { cacheLayout, pagedAttentionOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { attend } from './attention.ts';

metalKernel(pagedAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, keyCache, valueCache, blockTables, contextLens, cuSeqlensQ } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads } = cacheLayout(keyCache, valueCache);
  const [sequences, maxBlocks] = blockTables.shape;
  const { maxSeqlenQ = Infinity, maxContextLen = Infinity } = attrs;
  return attend(backend, {
    shader: 'paged_attention',
    query,
    buffers: [keyCache, valueCache, blockTables, contextLens, cuSeqlensQ],
    heads: inputs,
    attrs,
    outputs,
    kvHeads: numKvHeads,
    sequences,
    hasCuSeqlensQ: cuSeqlensQ !== undefined,
    longest: { query: maxSeqlenQ, context: Math.min(maxContextLen, maxBlocks * blockSize) },
    cache: { layout, numBlocks, blockSize, maxBlocks },
  });
});
