import { cacheLayout, pagedAttentionOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { attend, attentionKernel } from './attention.ts';

const kernel = attentionKernel('paged_attention', [
  'keyCache',
  'valueCache',
  'blockTables',
  'contextLens',
  'cuSeqlensQ?',
]);

metalKernel(pagedAttentionOp, ({ inputs, attrs, outputs, backend }) => {
  const { query, keyCache, valueCache, blockTables, contextLens, cuSeqlensQ } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads } = cacheLayout(keyCache, valueCache);
  const [sequences, maxBlocks] = blockTables.shape;
  return attend(backend, {
    kernel,
    query,
    keyTensors: { keyCache, valueCache, blockTables, contextLens, cuSeqlensQ },
    heads: inputs,
    attrs,
    outputs,
    kvHeads: numKvHeads,
    sequences,
    hasCuSeqlensQ: cuSeqlensQ !== undefined,
    longest: { query: attrs.maxSeqlenQ, context: attrs.maxContextLen },
    maxKeys: maxBlocks * blockSize,
    cache: { layout, numBlocks, blockSize, maxBlocks },
  });
});
