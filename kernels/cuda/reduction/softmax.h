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

/// Computes the softmax of rows, in float32. A row that contains NaN or whose maximum is infinite becomes NaN.
void softmax(const LaunchContext& context, const SoftmaxParams& params);

}  // namespace attention
