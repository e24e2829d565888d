#include "attention_arguments.h"

namespace attention::cuda {
namespace {

const Binding binding("varlenAttention", [](const LaunchContext& context, Arguments& arguments) {
  AttentionParams params = take_attention(arguments);
  params.cu_seqlens_k = arguments.tensor().as<int>();
  params.mask = arguments.tensor().as<float>();
  params.keys = arguments.integer32();
  params.mask_heads = arguments.integer32();
  params.mask_rows = arguments.integer32();
  params.mask_keys = arguments.integer32();
  attend(context, params);
});

}  // namespace
}  // namespace attention::cuda
