#include "moe/topk_softmax.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("topkSoftmax", [](const LaunchContext& context, Arguments& arguments) {
  topk_softmax(context, {
                            .logits = arguments.tensor(),
                            .weights = arguments.tensor(),
                            .ids = arguments.tensor(),
                            .tokens = arguments.integer32(),
                            .experts = arguments.integer32(),
                            .k = arguments.integer32(),
                            .renormalize = arguments.flag(),
                        });
});

}  // namespace
}  // namespace attention::cuda
