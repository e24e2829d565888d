#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct ArgReduceParams {
  Operand x;       // [rows, length]
  Operand output;  // [rows] int32
  int64_t rows;
  int64_t length;
  bool smallest;
};

/// The position of the largest or smallest element of each row; of equal ones the first.
void arg_reduce(const LaunchContext& context, const ArgReduceParams& params);

}  // namespace attention
