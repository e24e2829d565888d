#include "common/operation.h"
#include "moe/topk_softmax.cuh"

namespace attention {

struct TopkSoftmaxParams {
  Operand logits;               // [tokens, experts]
  TypedOperand<float> weights;  // [tokens, k] float32
  TypedOperand<int> ids;        // [tokens, k] int32
  int tokens;
  int experts;
  int k;
  bool32 renormalize;
};

/// Computes the softmax over each token's experts and its k largest values. A token without a softmax gets NaN weights.
void topk_softmax(const LaunchContext& context, const TopkSoftmaxParams& params) {
  constexpr int tokens_per_block = 4;
  if (params.tokens == 0) return;
  with_float_type(params.logits.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(context, topk_softmax_kernel<T>,
           {.blocks = divide_up(params.tokens, tokens_per_block),
            .threads = dim3(warp_size, tokens_per_block)},
           params.logits.as<T>(), params.weights, params.ids, params.tokens, params.experts,
           params.k, params.renormalize);
  });
}

ATTENTION_OPERATION(topk_softmax, TopkSoftmaxParams, logits, weights, ids, tokens, experts, k, renormalize)

}  // namespace attention
