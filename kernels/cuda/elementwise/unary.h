#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct UnaryParams {
  int operation;   // index into the table of unary.ts
  Operand x;
  Operand output;
  int64_t size;
  float alpha;     // attributes: a slope, or the lower bound
  float beta;      // the upper bound
};

/// Applies a function to every element.
void unary(const LaunchContext& context, const UnaryParams& params);

}  // namespace attention
