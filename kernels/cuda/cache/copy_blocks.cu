#include "common/operation.h"
#include "cache/block_pairs.cuh"

namespace attention {

struct CopyBlocksParams {
  Operand key_cache;
  Operand value_cache;
  TypedOperand<int> pairs;  // [num_pairs, 2] int32: source block, destination block
  int num_pairs;
  int64_t block_bytes;  // a multiple of 16
};

/// Copies blocks of a layer's caches to other blocks of the same caches. No block that is written to occurs in another
/// pair.
void copy_blocks(const LaunchContext& context, const CopyBlocksParams& params) {
  if (params.num_pairs == 0 || params.block_bytes == 0) return;
  using Word = uint4;
  const auto within = [](const Operand& cache) { return BlockCopy<Word>{cache.as<Word>(), cache.as<Word>()}; };
  copy_block_pairs(context, within(params.key_cache), within(params.value_cache), 2, params.pairs,
                   params.num_pairs, params.block_bytes / int64_t(sizeof(Word)));
}

ATTENTION_OPERATION(copy_blocks, CopyBlocksParams, key_cache, value_cache, pairs, num_pairs, block_bytes)

}  // namespace attention
