#pragma once

#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct ScatterParams {
  Operand tensor;                // like output, or none
  Operand indices;               // [count, strides.size()] int32
  Operand updates;               // [count, slice_length] like output
  Operand output;                // [slices, slice_length]
  std::vector<int64_t> strides;  // of an index, in slices
  int64_t count;                 // updates
  int64_t slice_length;
  int64_t slices;                // of the output
};

/// Writes slices to where indices say. Without a tensor those of one place add up in the order of the updates, to zero;
/// with one the last of them replaces its slice. Indices outside the output are left out.
void scatter(const LaunchContext& context, const ScatterParams& params);

}  // namespace attention
