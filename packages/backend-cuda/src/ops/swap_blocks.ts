import { paramsTable } from '@attention-js/backend-common';
import { swapBlocksOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { blockBytes, withPairs } from './block_pairs.ts';

const swapBlocks = operation(
  'swapBlocks',
  ['source', 'destination', 'pairs'],
  paramsTable('SwapBlocksParams', { numPairs: 'int32', blockBytes: 'int64' }),
);

cudaKernel(swapBlocksOp, ({ inputs: { source, destination }, attrs, backend }) => {
  withPairs(backend, attrs.pairs, (pairs, numPairs) =>
    backend.run(swapBlocks, { source, destination, pairs }, { numPairs, blockBytes: blockBytes(source) }),
  );
  return [];
});
