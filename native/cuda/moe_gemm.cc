#include "moe/moe_gemm.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("moeGemm", [](const LaunchContext& context, Arguments& arguments) {
  moe_gemm(context, {
                        .x = arguments.tensor(),
                        .weights = arguments.tensor(),
                        .output = arguments.tensor(),
                        .topk_weights = arguments.tensor().as<float>(),
                        .sorted_token_ids = arguments.tensor().as<int>(),
                        .expert_ids = arguments.tensor().as<int>(),
                        .pairs = arguments.integer32(),
                        .experts = arguments.integer32(),
                        .pairs_per_row = arguments.integer32(),
                        .width = arguments.integer32(),
                        .depth = arguments.integer32(),
                    });
});

}  // namespace
}  // namespace attention::cuda
