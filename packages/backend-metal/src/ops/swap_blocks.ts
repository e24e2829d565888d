import { sizeOf } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, storageOf, swapBlocksOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { copyBlockPairs } from './block_pairs.ts';

/** Words that a block may be copied in, widest first. */
const WORDS = [
  { type: 'uint4', bytes: 16 },
  { type: 'uint', bytes: 4 },
  { type: 'ushort', bytes: 2 },
];

metalKernel(swapBlocksOp, ({ inputs: { source, destination }, attrs: { pairs }, backend }) => {
  const blockBytes = sizeOf(source.shape.slice(1)) * BYTES_PER_ELEMENT[storageOf(source)];
  const word = WORDS.find(({ bytes }) => blockBytes % bytes === 0) ?? WORDS[WORDS.length - 1];
  copyBlockPairs(backend, {
    shader: 'swap_blocks',
    function: `swap_blocks_${word.type}`,
    caches: [source, destination],
    pairs,
    blockWords: blockBytes / word.bytes,
  });
  return [];
});
