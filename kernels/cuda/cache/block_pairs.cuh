#pragma once
// Copies cache blocks to other blocks of the same cache (copy_blocks) or of another one (swap_blocks). Under unified
// addressing a cache may also lie in pinned host memory.

#include <cstdint>

#include "common/launch.h"

namespace attention {

constexpr int block_copy_threads = 256;
constexpr int block_copy_words = 4;  // per thread, all loaded before the first store

template <typename Word>
struct BlockCopy {
  const Word* source;
  Word* destination;
};

/// Each pair is copied by `chunks` thread blocks; grid row y selects the cache. Pairs are independent: no cache block
/// that is written to occurs in another pair.
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
