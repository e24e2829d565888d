#include "attention/rotary_embedding.h"

#include <algorithm>

#include "attention/rotary_embedding.cuh"

namespace attention {
namespace {

constexpr int most_tokens_per_block = 64;  // as blockDim.z

template <bool Interleaved, int N, typename T>
void launch_rotation(const LaunchContext& context, const RotaryEmbeddingParams& params) {
  const RotaryRows<T> rows = {
      .query = params.query.as<T>(),
      .key = params.key.as<T>(),
      .rotated_query = params.rotated_query.as<T>(),
      .rotated_key = params.rotated_key.as<T>(),
      .heads = params.heads,
      .kv_heads = params.kv_heads,
      .head_size = params.head_size,
  };
  const int items = (params.head_size - params.rotary_dim / 2) / N;
  const int lanes = divide_up(params.heads + params.kv_heads, rotary_heads_per_thread);
  const int items_per_block = std::min(items, rotary_threads);
  const int lanes_per_block = divide_up(lanes, divide_up(lanes, rotary_threads / items_per_block));
  const int tokens_per_block = std::min(rotary_threads / (items_per_block * lanes_per_block), most_tokens_per_block);
  launch(context, rotary_embedding_kernel<Interleaved, N, T>,
         {.blocks = {divide_up(params.tokens, tokens_per_block), divide_up(lanes, lanes_per_block),
                     divide_up(items, items_per_block)},
          .threads = dim3(items_per_block, lanes_per_block, tokens_per_block)},
         rows, params.positions.as<int>(), params.cos.as<float>(), params.sin.as<float>(), params.tokens,
         params.rotary_dim, params.max_position, items, lanes);
}

}  // namespace

void rotary_embedding(const LaunchContext& context, const RotaryEmbeddingParams& params) {
  if (params.tokens == 0 || params.heads + params.kv_heads == 0) return;
  with_float_type(params.query.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    with_flag(params.interleaved, [&](auto interleaved) {
      constexpr int N = pack_size<T>;
      if (params.rotary_dim / 2 % N == 0 && params.head_size % N == 0) {
        return launch_rotation<interleaved.value, N, T>(context, params);
      }
      launch_rotation<interleaved.value, 1, T>(context, params);
    });
  });
}

}  // namespace attention
