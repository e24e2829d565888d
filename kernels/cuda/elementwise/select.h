#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct SelectParams {
  Operand condition;   // [size / row_length] bool
  Operand t;           // [size]
  Operand e;           // [size]
  Operand output;      // [size]
  int64_t size;
  int64_t row_length;  // elements that one condition decides
};

/// condition ? t : e
void select(const LaunchContext& context, const SelectParams& params);

}  // namespace attention
