#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct SwapBlocksParams {
  Operand source;
  Operand destination;
  Operand pairs;  // [num_pairs, 2] int32: block of source, block of destination
  int num_pairs;
  int64_t block_bytes;
};

/// Copies blocks of one cache to blocks of another one. Either may lie in pinned memory: a kernel that copies all
/// pairs at once keeps the bus busy also where blocks are small and scattered.
void swap_blocks(const LaunchContext& context, const SwapBlocksParams& params);

}  // namespace attention
