#pragma once

#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct CopyParams {
  Operand x;
  Operand output;
  std::vector<int64_t> shape;           // of the part, collapsed, at most max_rank axes
  std::vector<int64_t> x_strides;       // in elements; negative ones run backwards
  std::vector<int64_t> output_strides;
  int64_t x_offset;                     // in elements
  int64_t output_offset;
};

/// Copies a strided part of a tensor to a strided part of another, converting where the types differ.
void copy(const LaunchContext& context, const CopyParams& params);

}  // namespace attention
