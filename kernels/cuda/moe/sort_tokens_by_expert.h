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

/// Stable sort of the pairs by expert. Ids that are no expert's come last, as expert -1.
void sort_tokens_by_expert(const LaunchContext& context, const SortTokensByExpertParams& params);

}  // namespace attention
