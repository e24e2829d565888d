#pragma once

#include "moe/moe_product.h"

namespace attention {

struct FusedMoeParams {
  Operand x;                // [tokens, hidden]
  Operand gate_up_weights;  // [experts, 2 * intermediate, hidden], the type of x
  Operand down_weights;     // [experts, hidden, intermediate], the type of x
  const float* topk_weights;  // [tokens, topk]
  const int* topk_ids;        // [tokens, topk]
  Operand output;             // like x
  int tokens;
  int topk;
  int experts;
  int hidden;
  int intermediate;
  MoeActivation activation;
};

/// The gated MLPs of each token's experts, and their weighted sum. A token with an id that is no expert's gets NaN.
void fused_moe(const LaunchContext& context, const FusedMoeParams& params);

}  // namespace attention
