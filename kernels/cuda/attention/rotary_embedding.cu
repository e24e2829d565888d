#include <algorithm>

#include "common/operation.h"
#include "attention/rotary_embedding.cuh"

namespace attention {

struct RotaryEmbeddingParams {
  Operand query;                // [tokens, heads, head_size]
  Operand key;                  // [tokens, kv_heads, head_size], the type of query
  TypedOperand<int> positions;  // [tokens], int32
  TypedOperand<float> cos;      // [max_position, rotary_dim / 2], float32
  TypedOperand<float> sin;      // like cos
  Operand rotated_query;        // like query
  Operand rotated_key;          // like key
  int tokens;
  int heads;
  int kv_heads;
  int head_size;
  int rotary_dim;
  int max_position;
  bool32 interleaved;
};

namespace {

constexpr int max_tokens_per_block = 64;  // as blockDim.z

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
  const int tokens_per_block = std::min(rotary_threads / (items_per_block * lanes_per_block), max_tokens_per_block);
  launch(context, rotary_embedding_kernel<Interleaved, N, T>,
         {.blocks = {divide_up(params.tokens, tokens_per_block), divide_up(lanes, lanes_per_block),
                     divide_up(items, items_per_block)},
          .threads = dim3(items_per_block, lanes_per_block, tokens_per_block)},
         rows, params.positions, params.cos, params.sin, params.tokens,
         params.rotary_dim, params.max_position, items, lanes);
}

}  // namespace

/// Rotates queries and keys in one launch. A position outside the table makes its token NaN.
void rotary_embedding(const LaunchContext& context, const RotaryEmbeddingParams& params) {
  if (params.tokens == 0 || (params.heads == 0 && params.kv_heads == 0)) return;
  expect_positive("headSize", params.head_size);
  expect_size("rotaryDim", params.rotary_dim, 0, params.head_size);
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

ATTENTION_OPERATION(rotary_embedding, RotaryEmbeddingParams, query, key, positions, cos, sin, rotated_query,
                    rotated_key, tokens, heads, kv_heads, head_size, rotary_dim, max_position, interleaved)

}  // namespace attention
