#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

constexpr int top_k_most = 4096;

struct TopKParams {
  Operand x;        // [rows, length]
  Operand values;   // [rows, k] like x
  Operand indices;  // [rows, k] int32
  int64_t rows;
  int64_t length;
  int k;            // at most top_k_most
};

/// The k largest elements of each row, largest first, of equal ones the first.
void top_k(const LaunchContext& context, const TopKParams& params);

}  // namespace attention
