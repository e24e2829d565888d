#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct TopkSoftmaxParams {
  Operand logits;   // [tokens, experts]
  Operand weights;  // [tokens, k] float32
  Operand ids;      // [tokens, k] int32
  int tokens;
  int experts;
  int k;
  bool renormalize;
};

/// Softmax over a token's experts and the k largest of it. A token without a softmax gets NaN weights.
void topk_softmax(const LaunchContext& context, const TopkSoftmaxParams& params);

}  // namespace attention
