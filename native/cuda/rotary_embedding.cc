#include "attention/rotary_embedding.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("rotaryEmbedding", [](const LaunchContext& context, Arguments& arguments) {
  rotary_embedding(context, {
                                .query = arguments.tensor(),
                                .key = arguments.tensor(),
                                .positions = arguments.tensor(),
                                .cos = arguments.tensor(),
                                .sin = arguments.tensor(),
                                .rotated_query = arguments.tensor(),
                                .rotated_key = arguments.tensor(),
                                .tokens = arguments.integer32(),
                                .heads = arguments.integer32(),
                                .kv_heads = arguments.integer32(),
                                .head_size = arguments.integer32(),
                                .rotary_dim = arguments.integer32(),
                                .max_position = arguments.integer32(),
                                .interleaved = arguments.flag(),
                            });
});

}  // namespace
}  // namespace attention::cuda
