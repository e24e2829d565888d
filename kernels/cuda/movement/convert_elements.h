#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

/// Writes `count` elements of one type over those of another one; to nearest, ties to even. Int32 goes to int32 only.
void convert_elements(const LaunchContext& context, const Operand& from, const Operand& to, int64_t count);

}  // namespace attention
