#pragma once

#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct GatherParams {
  Operand x;                     // [batch, outer, axis_length, slice_length]
  Operand indices;               // [batch, index_count, strides.size()] int32
  Operand output;                // [batch, outer, index_count, slice_length] like x
  std::vector<int64_t> strides;  // of an index, in slices: {1} where it is a position along the axis
  int64_t batch;
  int64_t outer;
  int64_t axis_length;
  int64_t index_count;  // of a batch
  int64_t slice_length;
};

/// Slices of x at indices; zeros for an index outside the axis.
void gather(const LaunchContext& context, const GatherParams& params);

}  // namespace attention
