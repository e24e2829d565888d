#include "cache/swap_blocks.h"

#include "cache/block_pairs.cuh"

namespace attention {
namespace {

template <typename Word>
void launch_words(const LaunchContext& context, const SwapBlocksParams& params) {
  const BlockCopy<Word> copy = {params.source.as<Word>(), params.destination.as<Word>()};
  copy_block_pairs(context, copy, copy, 1, params.pairs.as<int>(), params.num_pairs,
                   params.block_bytes / int64_t(sizeof(Word)));
}

}  // namespace

void swap_blocks(const LaunchContext& context, const SwapBlocksParams& params) {
  if (params.num_pairs == 0 || params.block_bytes == 0) return;
  if (params.block_bytes % 16 == 0) return launch_words<uint4>(context, params);
  if (params.block_bytes % 4 == 0) return launch_words<uint32_t>(context, params);
  launch_words<uint16_t>(context, params);
}

}  // namespace attention
