#include <algorithm>

#include "common/operation.h"
#include "sampling/sample_tokens.cuh"

namespace attention {

/// Samples a token for each row of logits; -1 for a row without a distribution.
void sample_tokens(const LaunchContext& context, const SampleTokensParams& params) {
  constexpr int max_threads = 1024;
  constexpr int tokens_per_thread = 16;
  if (params.rows == 0) return;
  expect_positive("vocabulary", params.vocabulary);
  const int wanted = divide_up(divide_up(params.vocabulary, tokens_per_thread), warp_size) * warp_size;
  with_float_type(params.logits.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(context, sample_tokens_kernel<T>,
           {.blocks = params.rows, .threads = unsigned(std::min(max_threads, wanted))}, params);
  });
}

ATTENTION_OPERATION(sample_tokens, SampleTokensParams, logits, parameters, output, rows, vocabulary)

}  // namespace attention
