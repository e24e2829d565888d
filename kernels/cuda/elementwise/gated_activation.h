#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

/// What silu_and_mul and gelu_and_mul take.
struct GatedActivationParams {
  Operand x;       // [rows, 2 * width]: gate, then up
  Operand output;  // [rows, width], the type of x
  int64_t rows;
  int width;
};

}  // namespace attention
