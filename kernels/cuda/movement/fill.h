#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct FillParams {
  Operand output;
  int64_t size;
  float start;     // of an output of floats or truth values
  float step;
  int int_start;   // of an output of int32
  int int_step;
};

/// output[i] = start + i * step; a constant has step 0.
void fill(const LaunchContext& context, const FillParams& params);

}  // namespace attention
