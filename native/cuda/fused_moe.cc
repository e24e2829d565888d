#include "moe/fused_moe.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("fusedMoe", [](const LaunchContext& context, Arguments& arguments) {
  fused_moe(context, {
                         .x = arguments.tensor(),
                         .gate_up_weights = arguments.tensor(),
                         .down_weights = arguments.tensor(),
                         .topk_weights = arguments.tensor().as<float>(),
                         .topk_ids = arguments.tensor().as<int>(),
                         .output = arguments.tensor(),
                         .tokens = arguments.integer32(),
                         .topk = arguments.integer32(),
                         .experts = arguments.integer32(),
                         .hidden = arguments.integer32(),
                         .intermediate = arguments.integer32(),
                         .activation = MoeActivation(arguments.integer32()),
                     });
});

}  // namespace
}  // namespace attention::cuda
