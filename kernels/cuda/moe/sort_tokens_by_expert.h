#pragma once

#include "common/operation.h"

namespace attention {

struct SortTokensByExpertParams {
  TypedOperand<const int> ids;         // [pairs]
  TypedOperand<int> sorted_token_ids;  // [pairs]
  TypedOperand<int> expert_ids;        // [pairs]
  int pairs;
  int experts;
};

/// Sorts pairs stably by expert. Pairs with an invalid expert id come last, with expert -1.
void sort_tokens_by_expert(const LaunchContext& context, const SortTokensByExpertParams& params);

}  // namespace attention
