#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct CopyBlocksParams {
  Operand key_cache;
  Operand value_cache;
  Operand pairs;  // [num_pairs, 2] int32: source block, destination block
  int num_pairs;
  int64_t block_bytes;  // a multiple of 16
};

/// Copies blocks of a layer's caches to other blocks of the same caches. No block that is written to is in another pair.
void copy_blocks(const LaunchContext& context, const CopyBlocksParams& params);

}  // namespace attention
