#include "attention_arguments.h"

namespace attention::cuda {
namespace {

const Binding binding("pagedAttention", [](const LaunchContext& context, Arguments& arguments) {
  AttentionParams params = take_attention(arguments);
  params.block_tables = arguments.tensor().as<int>();
  params.context_lens = arguments.tensor().as<int>();
  params.vllm_layout = arguments.flag();
  params.num_blocks = arguments.integer32();
  params.block_size = arguments.integer32();
  params.max_blocks = arguments.integer32();
  attend(context, params);
});

}  // namespace
}  // namespace attention::cuda
