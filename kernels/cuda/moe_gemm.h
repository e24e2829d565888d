#pragma once

#include "element_type.h"
#include "launch.h"

namespace attention {

struct MoeGemmParams {
  Operand x;                    // [rows, depth]; pair p multiplies row p / pairs_per_row
  Operand weights;              // [experts, width, depth], the type of x
  const int* sorted_token_ids;  // [pairs]
  const int* expert_ids;        // [pairs], ascending; those that are no expert's come last
  const float* topk_weights;    // [pairs], factors of the output's rows, or null
  Operand output;               // [pairs, width], the type of x
  int pairs;
  int experts;
  int pairs_per_row;
  int width;
  int depth;
};

/// Rows of x times the transposed matrices of their experts. The row of a pair without an expert is NaN.
void moe_gemm(const LaunchContext& context, const MoeGemmParams& params);

}  // namespace attention
