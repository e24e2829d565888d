#pragma once

#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct ReduceParams {
  int operation;                        // index into the table of reduce.ts
  Operand x;
  Operand output;                       // contiguous
  std::vector<int64_t> output_shape;    // the axes that stay, collapsed
  std::vector<int64_t> output_strides;  // in x
  std::vector<int64_t> reduce_shape;    // the axes that go, collapsed
  std::vector<int64_t> reduce_strides;  // in x
};

/// Reduces any axes of a tensor.
void reduce(const LaunchContext& context, const ReduceParams& params);

}  // namespace attention
