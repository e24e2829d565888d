#include "moe/topk_softmax.h"

#include "moe/topk_softmax.cuh"

namespace attention {

void topk_softmax(const LaunchContext& context, const TopkSoftmaxParams& params) {
  constexpr int tokens_per_block = 4;
  if (params.tokens == 0) return;
  with_float_type(params.logits.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(context, topk_softmax_kernel<T>,
           {.blocks = divide_up(params.tokens, tokens_per_block),
            .threads = dim3(warp_size, tokens_per_block)},
           params.logits.as<T>(), params.weights.as<float>(), params.ids.as<int>(), params.tokens, params.experts,
           params.k, params.renormalize);
  });
}

}  // namespace attention
