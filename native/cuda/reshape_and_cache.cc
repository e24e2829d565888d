#include "cache/reshape_and_cache.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("reshapeAndCache", [](const LaunchContext& context, Arguments& arguments) {
  reshape_and_cache(context, {
                                 .key = arguments.tensor(),
                                 .value = arguments.tensor(),
                                 .key_cache = arguments.tensor(),
                                 .value_cache = arguments.tensor(),
                                 .slot_mapping = arguments.tensor(),
                                 .tokens = arguments.integer32(),
                                 .num_blocks = arguments.integer32(),
                                 .block_size = arguments.integer32(),
                                 .kv_heads = arguments.integer32(),
                                 .head_size = arguments.integer32(),
                                 .vllm_layout = arguments.flag(),
                             });
});

}  // namespace
}  // namespace attention::cuda
