#pragma once

#include "moe_product.h"

namespace attention {

/// Rows of x times the transposed matrices of their experts; the order of the pairs is ascending by expert, those that have
/// none come last. The row of a pair without an expert is NaN. Not gated; the tiles are made here.
void moe_gemm(const LaunchContext& context, MoeProduct product);

}  // namespace attention
