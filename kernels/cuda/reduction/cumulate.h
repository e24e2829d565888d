#pragma once

#include <cstdint>

#include "common/operation.h"

namespace attention {

struct CumulateParams {
  Operand x;       // [rows, length]
  Operand output;  // like x
  int64_t rows;
  int64_t length;
  bool32 product;
  bool32 exclusive;
  bool32 reversed;
};

/// Computes running sums or products along rows.
void cumulate(const LaunchContext& context, const CumulateParams& params);

}  // namespace attention
