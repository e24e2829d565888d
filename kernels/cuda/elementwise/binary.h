#pragma once

#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct BinaryParams {
  int operation;                   // index into the table of binary.ts
  Operand a;
  Operand b;
  Operand output;                  // contiguous
  std::vector<int64_t> shape;      // collapsed, at most max_rank axes
  std::vector<int64_t> a_strides;  // in elements, 0 where an axis repeats
  std::vector<int64_t> b_strides;
};

/// Applies a function to every pair of elements, broadcast by strides.
void binary(const LaunchContext& context, const BinaryParams& params);

}  // namespace attention
