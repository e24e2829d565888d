import { paramsTable } from '@attention-js/backend-common';
import { copyBlocksOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { blockBytes, withPairs } from './block_pairs.ts';

const copyBlocks = operation(
  'copyBlocks',
  ['keyCache', 'valueCache', 'pairs'],
  paramsTable('CopyBlocksParams', { numPairs: 'int32', blockBytes: 'int64' }),
);

cudaKernel(copyBlocksOp, ({ inputs: { keyCache, valueCache }, attrs, backend }) => {
  withPairs(backend, attrs.pairs, (pairs, numPairs) =>
    backend.run(copyBlocks, { keyCache, valueCache, pairs }, { numPairs, blockBytes: blockBytes(keyCache) }),
  );
  return [];
});
