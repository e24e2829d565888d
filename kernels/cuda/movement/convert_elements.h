#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

/// Converts `count` elements to the type of `to`, rounded to nearest even. Int32 converts only to int32.
void convert_elements(const LaunchContext& context, const Operand& from, const Operand& to, int64_t count);

}  // namespace attention
