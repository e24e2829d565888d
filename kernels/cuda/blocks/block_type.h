#pragma once

#include "common/element_type.h"

namespace attention {

/// Whether weights of this type are blocks of elements: see block_types.cuh.
constexpr bool is_block_type(ElementType type) { return type >= ElementType::q4_0; }

}  // namespace attention
