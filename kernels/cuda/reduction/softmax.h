#pragma once

#include <cstdint>

#include "common/operation.h"

namespace attention {

struct SoftmaxParams {
  Operand x;       // [rows, length] of a float type
  Operand output;  // [rows, length] of a float type
  int64_t rows;
  int64_t length;
};

/// Softmax of rows, in float32.
void softmax(const LaunchContext& context, const SoftmaxParams& params);

}  // namespace attention
