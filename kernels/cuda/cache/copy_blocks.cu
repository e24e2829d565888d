#include "cache/copy_blocks.h"

#include "cache/block_pairs.cuh"

namespace attention {

void copy_blocks(const LaunchContext& context, const CopyBlocksParams& params) {
  if (params.num_pairs == 0 || params.block_bytes == 0) return;
  using Word = uint4;
  const auto within = [](const Operand& cache) { return BlockCopy<Word>{cache.as<Word>(), cache.as<Word>()}; };
  copy_block_pairs(context, within(params.key_cache), within(params.value_cache), 2, params.pairs.as<int>(),
                   params.num_pairs, params.block_bytes / int64_t(sizeof(Word)));
}

}  // namespace attention
