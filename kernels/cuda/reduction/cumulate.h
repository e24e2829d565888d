#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct CumulateParams {
  Operand x;       // [rows, length]
  Operand output;  // like x
  int64_t rows;
  int64_t length;
  bool product;
  bool exclusive;
  bool reversed;
};

/// Running sums or products along rows.
void cumulate(const LaunchContext& context, const CumulateParams& params);

}  // namespace attention
