#include "sampling/sample_tokens.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("sampleTokens", [](const LaunchContext& context, Arguments& arguments) {
  sample_tokens(context, {
                             .logits = arguments.tensor(),
                             .parameters = arguments.tensor().as<int>(),
                             .output = arguments.tensor().as<int>(),
                             .rows = arguments.integer32(),
                             .vocabulary = arguments.integer32(),
                         });
});

}  // namespace
}  // namespace attention::cuda
