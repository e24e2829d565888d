#pragma once
#include <metal_stdlib>

using namespace metal;

/// Parameters of copy_blocks and swap_blocks.
struct BlockPairsParams {
  uint block_words;  // words per block
};

/// Copies every `stride`-th word, starting with word `first`, of block `pair.x` of `source` to block `pair.y` of
/// `destination`.
template <typename Word>
inline void copy_block(device Word* destination, device const Word* source, int2 pair, uint block_words, uint first,
                       uint stride) {
  device Word* to = destination + ulong(pair.y) * block_words;
  device const Word* from = source + ulong(pair.x) * block_words;
  for (uint i = first; i < block_words; i += stride) to[i] = from[i];
}
