import { sizeOf } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, elementStorageOf, swapBlocksOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { blockPairsParams, copyBlockPairs } from './block_pairs.ts';

/** Word types for copying blocks, widest first. */
const WORDS = [
  { type: 'uint4', bytes: 16 },
  { type: 'uint', bytes: 4 },
  { type: 'ushort', bytes: 2 },
];

const kernel = shaderKernel('swap_blocks', ['source', 'destination', 'pairs'], blockPairsParams);

metalKernel(swapBlocksOp, ({ inputs: { source, destination }, attrs, backend }) => {
  const blockBytes = sizeOf(source.shape.slice(1)) * BYTES_PER_ELEMENT[elementStorageOf(source)];
  const word = WORDS.find(({ bytes }) => blockBytes % bytes === 0) ?? WORDS[WORDS.length - 1];
  copyBlockPairs(backend, attrs.pairs, blockBytes / word.bytes, (pairs, params, grid) =>
    backend.run(kernel, { source, destination, pairs }, params, { variant: word.type, ...grid }),
  );
  return [];
});
