#include "attention.h"
#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("pagedAttention", [](const LaunchContext& context, Arguments& arguments) {
  attend(context, {
                      .query = arguments.tensor(),
                      .key = arguments.tensor(),
                      .value = arguments.tensor(),
                      .output = arguments.tensor(),
                      .lse = arguments.tensor().as<float>(),
                      .block_tables = arguments.tensor().as<int>(),
                      .context_lens = arguments.tensor().as<int>(),
                      .cu_seqlens_q = arguments.tensor().as<int>(),
                      .alibi_slopes = arguments.tensor().as<float>(),
                      .sinks = arguments.tensor().as<float>(),
                      .tokens = arguments.integer32(),
                      .sequences = arguments.integer32(),
                      .heads = arguments.integer32(),
                      .kv_heads = arguments.integer32(),
                      .head_size = arguments.integer32(),
                      .scale = arguments.number(),
                      .softcap = arguments.number(),
                      .window = arguments.integer32(),
                      .causal = arguments.flag(),
                      .vllm_layout = arguments.flag(),
                      .num_blocks = arguments.integer32(),
                      .block_size = arguments.integer32(),
                      .max_blocks = arguments.integer32(),
                      .max_query_length = arguments.integer32(),
                      .max_context_length = arguments.integer32(),
                      .forced_splits = arguments.integer32(),
                  });
});

}  // namespace
}  // namespace attention::cuda
