#include "common/operation.h"
#include "cache/block_pairs.cuh"

namespace attention {

struct SwapBlocksParams {
  Operand source;
  Operand destination;
  TypedOperand<int> pairs;  // [num_pairs, 2] int32: block of source, block of destination
  int num_pairs;
  int64_t block_bytes;
};

namespace {

template <typename Word>
void launch_words(const LaunchContext& context, const SwapBlocksParams& params) {
  const BlockCopy<Word> copy = {params.source.as<Word>(), params.destination.as<Word>()};
  copy_block_pairs(context, copy, copy, 1, params.pairs, params.num_pairs,
                   params.block_bytes / int64_t(sizeof(Word)));
}

}  // namespace

/// Copies blocks of one cache to blocks of another. Either may lie in pinned host memory. One kernel copies all pairs,
/// which keeps the bus busy even if blocks are small and scattered.
void swap_blocks(const LaunchContext& context, const SwapBlocksParams& params) {
  if (params.num_pairs == 0 || params.block_bytes == 0) return;
  if (params.block_bytes % 16 == 0) return launch_words<uint4>(context, params);
  if (params.block_bytes % 4 == 0) return launch_words<uint32_t>(context, params);
  launch_words<uint16_t>(context, params);
}

ATTENTION_OPERATION(swap_blocks, SwapBlocksParams, source, destination, pairs, num_pairs, block_bytes)

}  // namespace attention
