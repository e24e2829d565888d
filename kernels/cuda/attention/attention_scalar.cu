#include <algorithm>

#include "attention/attention.h"
#include "attention/attention_scalar.cuh"
#include "attention/merge_attention_states.h"

namespace attention {
namespace {

constexpr int min_keys_per_split = 256;
constexpr int max_splits = 65535;  // limit of grid dimension z

// Shapes by rows per tile. The largest heads leave no registers for more rows.
using NarrowShape = ScalarShape<4, 128, 4, 1, 4, 2, 4>;
using MiddleShape = ScalarShape<16, 64, 2, 4, 4, 2, 3>;
using WideShape = ScalarShape<64, 32, 4, 4, 8, 2, 3>;
using LongHeadShape = ScalarShape<16, 64, 2, 4, 4, 8, 2>;

/// The expected number of query tokens per sequence.
int expected_query_length(const AttentionParams& params) {
  if (!params.cu_seqlens_q) return 1;
  const int average = (params.tokens + params.sequences / 2) / std::max(1, params.sequences);
  return std::max(1, std::min(params.max_query_length, average));
}

/// Chooses the number of splits of the keys: enough to grow `busy_blocks` to `wanted_blocks`, but not shorter than
/// min_keys_per_split.
int choose_splits(const LaunchContext& context, const AttentionParams& params, int64_t busy_blocks,
                  int64_t wanted_blocks, int query_length) {
  if (context.splits > 0) return std::min(context.splits, max_splits);
  int64_t keys = params.max_context_length;
  if (params.window > 0) keys = std::min<int64_t>(keys, int64_t(params.window) + query_length);
  const int64_t wanted = wanted_blocks / std::max<int64_t>(1, busy_blocks);
  return int(std::clamp<int64_t>(keys / min_keys_per_split, 1, std::clamp<int64_t>(wanted, 1, max_splits)));
}

template <typename T, typename Shape>
void launch_scalar(const LaunchContext& context, const AttentionParams& params, int query_length) {
  const int group = params.heads / params.kv_heads;
  const int64_t rows = int64_t(params.tokens) * params.heads;
  const int64_t busy_tiles =
      std::max<int64_t>(params.sequences, divide_up<int64_t>(int64_t(params.tokens) * group, Shape::rows));
  const int splits = choose_splits(context, params, busy_tiles * params.kv_heads,
                                   int64_t(context.device.multiprocessors) * Shape::blocks, query_length);
  const size_t partial_rows = splits > 1 ? size_t(splits) * rows : 0;
  const Scratch outputs(context, partial_rows * params.head_size * sizeof(float));
  const Scratch lses(context, partial_rows * sizeof(float));
  launch(context, attend_scalar_kernel<T, Shape>,
         {.blocks = {count_tiles(params, group, Shape::rows), params.kv_heads, splits},
          .threads = scalar_threads,
          .shared_bytes = Shape::shared_bytes(params.head_size)},
         params, ScalarSplits{splits, outputs.as<float>(), lses.as<float>()});
  if (splits == 1) return;
  merge_attention_states(context, {
                                      .outputs = {outputs.as<void>()},
                                      .lses = {lses.as<float>()},
                                      .sinks = params.sinks,
                                      .output = params.output,
                                      .lse = params.lse,
                                      .parts = splits,
                                      .rows = rows,
                                      .heads = params.heads,
                                      .head_size = params.head_size,
                                  });
}

}  // namespace

void attend_scalar(const LaunchContext& context, const AttentionParams& params) {
  if (params.tokens == 0) return;
  const int query_length = expected_query_length(params);
  const int64_t rows = int64_t(query_length) * (params.heads / params.kv_heads);
  with_float_type(params.query.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (params.head_size > WideShape::max_head_size) {
      launch_scalar<T, LongHeadShape>(context, params, query_length);
    } else if (rows <= NarrowShape::rows) {
      launch_scalar<T, NarrowShape>(context, params, query_length);
    } else if (rows <= MiddleShape::rows) {
      launch_scalar<T, MiddleShape>(context, params, query_length);
    } else {
      launch_scalar<T, WideShape>(context, params, query_length);
    }
  });
}

}  // namespace attention
