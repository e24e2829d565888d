#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct OneHotParams {
  Operand indices;  // [count] int32
  Operand output;   // [count, depth]
  int64_t count;
  int64_t depth;
  float on;
  float off;
};

/// output[i, d] = d == indices[i] ? on : off
void one_hot(const LaunchContext& context, const OneHotParams& params);

}  // namespace attention
