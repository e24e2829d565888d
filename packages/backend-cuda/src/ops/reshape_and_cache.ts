import { paramsTable } from '@attention-js/backend-common';
import { cacheLayout, reshapeAndCacheOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const reshapeAndCache = operation(
  'reshapeAndCache',
  ['key', 'value', 'keyCache', 'valueCache', 'slotMapping'],
  paramsTable('ReshapeAndCacheParams', {
    tokens: 'int32',
    numBlocks: 'int32',
    blockSize: 'int32',
    kvHeads: 'int32',
    headSize: 'int32',
    vllmLayout: 'bool',
  }),
);

cudaKernel(reshapeAndCacheOp, ({ inputs, backend }) => {
  const { layout, numBlocks, blockSize, numKvHeads, headSize } = cacheLayout(
    inputs.keyCache,
    inputs.valueCache,
  );
  const [tokens] = inputs.key.shape;
  backend.run(reshapeAndCache, inputs, {
    tokens,
    numBlocks,
    blockSize,
    kvHeads: numKvHeads,
    headSize,
    vllmLayout: layout === 'vllm',
  });
  return [];
});
