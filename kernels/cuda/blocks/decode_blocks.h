#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

/// Decodes `count` elements of a block type, rounded to the type of `to`.
void decode_blocks(const LaunchContext& context, const WeightOperand& from, const Operand& to, int64_t count);

}  // namespace attention
