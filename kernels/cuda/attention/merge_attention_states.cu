#include "attention/merge_attention_states.h"

#include "attention/merge_attention_states.cuh"

namespace attention {
namespace {

constexpr int rows_per_block = 4;

template <int N, typename From, typename To>
void launch_merge(const LaunchContext& context, const MergeAttentionStatesParams& params) {
  launch(context, merge_attention_states_kernel<N, From, To>,
         {.blocks = divide_up<int64_t>(params.rows, rows_per_block),
          .threads = dim3(warp_size, rows_per_block)},
         params.outputs.as<From>(), params.lses, params.sinks, params.output.as<To>(), params.lse, params.parts,
         params.rows, params.heads, params.head_size);
}

template <typename From, typename To>
void launch_types(const LaunchContext& context, const MergeAttentionStatesParams& params) {
  constexpr int pack = 4;
  if (params.head_size % pack == 0) return launch_merge<pack, From, To>(context, params);
  launch_merge<1, From, To>(context, params);
}

}  // namespace

void merge_attention_states(const LaunchContext& context, const MergeAttentionStatesParams& params) {
  if (params.rows == 0) return;
  expect_positive("heads", params.heads);
  with_float_type(params.output.type, [&](auto tag) {
    using To = typename decltype(tag)::type;
    if (params.outputs.type == ElementType::float32) return launch_types<float, To>(context, params);
    launch_types<To, To>(context, params);
  });
}

ATTENTION_OPERATION(merge_attention_states, MergeAttentionStatesParams, outputs, lses, sinks, output, lse, parts,
                    rows, heads, head_size)

}  // namespace attention
