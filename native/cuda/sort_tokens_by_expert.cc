#include "moe/sort_tokens_by_expert.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("sortTokensByExpert", [](const LaunchContext& context, Arguments& arguments) {
  sort_tokens_by_expert(context, {
                                     .ids = arguments.tensor().as<int>(),
                                     .sorted_token_ids = arguments.tensor().as<int>(),
                                     .expert_ids = arguments.tensor().as<int>(),
                                     .pairs = arguments.integer32(),
                                     .experts = arguments.integer32(),
                                 });
});

}  // namespace
}  // namespace attention::cuda
