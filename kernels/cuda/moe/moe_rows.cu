#include <algorithm>

#include "moe/moe_launch.cuh"
#include "moe/moe_rows.cuh"

namespace attention {
namespace {

template <typename T, bool Gated>
void launch_rows(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  // A warp takes several steps, so that for a short depth blocks are small and many of them are resident at once.
  constexpr int steps_per_warp = 4;
  const int step = std::is_same_v<T, float> ? warp_size * pack_size<float> : moe_stream_step * steps_per_warp;
  const int warps = std::clamp(divide_up(product.depth, step), 1, max_moe_warps);
  const Grid grid = {.blocks = {divide_up(product.width, moe_block_columns<Gated>), count_moe_rows(plan, product)},
                     .threads = unsigned(warps * warp_size)};
  if constexpr (std::is_same_v<T, float>) {
    launch(context, moe_dots_kernel<T, Gated>, grid, moe_operands<T>(product));
  } else {
    launch(context, moe_stream_kernel<T, Gated>, grid, moe_operands<T>(product));
  }
}

}  // namespace

void multiply_experts_by_rows(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  with_float_type(product.x.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    product.gated ? launch_rows<T, true>(context, plan, product) : launch_rows<T, false>(context, plan, product);
  });
}

}  // namespace attention
