#pragma once
// What copy_blocks and swap_blocks have in common: blocks of one cache to blocks of the same or another one. Under
// unified addressing a cache may as well lie in pinned memory.

#include <cstdint>

#include "common/launch.h"

namespace attention {

constexpr int block_copy_threads = 256;
constexpr int block_copy_words = 4;  // of a thread, in flight together

template <typename Word>
struct BlockCopy {
  const Word* source;
  Word* destination;
};

/// `chunks` blocks of the grid copy one pair, in every row y of the grid for another cache. No block that is written to is
/// in another pair.
template <typename Word>
__global__ void copy_block_pairs_kernel(BlockCopy<Word> first, BlockCopy<Word> second, const int* pairs,
                                        int64_t block_words, unsigned chunks) {
  constexpr int Words = block_copy_words;
  const BlockCopy<Word> copy = blockIdx.y == 0 ? first : second;
  const unsigned pair = blockIdx.x / chunks;
  const unsigned chunk = blockIdx.x - pair * chunks;
  const Word* from = copy.source + pairs[2 * pair] * block_words;
  Word* to = copy.destination + pairs[2 * pair + 1] * block_words;
  const int64_t start = int64_t(chunk) * (block_copy_threads * Words) + threadIdx.x;
  Word words[Words];
#pragma unroll
  for (int i = 0; i < Words; i++) {
    const int64_t word = start + i * block_copy_threads;
    if (word < block_words) words[i] = from[word];
  }
#pragma unroll
  for (int i = 0; i < Words; i++) {
    const int64_t word = start + i * block_copy_threads;
    if (word < block_words) to[word] = words[i];
  }
}

template <typename Word>
void copy_block_pairs(const LaunchContext& context, BlockCopy<Word> first, BlockCopy<Word> second, int caches,
                      const int* pairs, int num_pairs, int64_t block_words) {
  const int64_t chunks = divide_up<int64_t>(block_words, block_copy_threads * block_copy_words);
  launch(context, copy_block_pairs_kernel<Word>,
         {.blocks = {num_pairs * chunks, caches}, .threads = block_copy_threads}, first, second, pairs,
         block_words, unsigned(chunks));
}

}  // namespace attention
