#pragma once

#include "moe/moe_product.h"

namespace attention {

/// Rows of x times the transposed matrices of their experts. The order of the pairs is ascending by expert; those that have
/// none come last, and their rows are NaN. Not gated; the tiles are made here.
void moe_gemm(const LaunchContext& context, MoeProduct product);

}  // namespace attention
