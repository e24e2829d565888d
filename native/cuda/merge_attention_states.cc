#include "attention/merge_attention_states.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("mergeAttentionStates", [](const LaunchContext& context, Arguments& arguments) {
  merge_attention_states(context, {
                                      .outputs = arguments.tensor(),
                                      .lses = arguments.tensor().as<float>(),
                                      .sinks = nullptr,
                                      .output = arguments.tensor(),
                                      .lse = arguments.tensor().as<float>(),
                                      .parts = arguments.integer32(),
                                      .rows = arguments.integer(),
                                      .heads = arguments.integer32(),
                                      .head_size = arguments.integer32(),
                                  });
});

}  // namespace
}  // namespace attention::cuda
