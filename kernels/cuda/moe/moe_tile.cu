#include "moe/moe_launch.cuh"
#include "moe/moe_tile.cuh"

namespace attention {
namespace {

template <typename Shape, bool Gated>
void launch_tiles(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  const int column_tiles = divide_up(product.width, moe_tile_columns<typename Shape::Full, Gated>);
  launch(context, moe_tile_kernel<Shape, Gated>,
         {.blocks = count_moe_rows(plan, product) * column_tiles,
          .threads = Shape::Full::threads,
          .shared_bytes = Shape::shared_bytes},
         moe_operands<typename Shape::Full::Element>(product), column_tiles);
}

template <typename Shape>
void launch_tiles(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  product.gated ? launch_tiles<Shape, true>(context, plan, product) : launch_tiles<Shape, false>(context, plan, product);
}

}  // namespace

void multiply_experts_by_tiles(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  if (plan.kernel == MoePlan::Kernel::fma_tiles) {
    return with_float_type(product.x.type, [&](auto tag) {
      launch_tiles<MoeFmaTile<typename decltype(tag)::type>>(context, plan, product);
    });
  }
  with_half_type(product.x.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (plan.kernel == MoePlan::Kernel::large_tiles) return launch_tiles<MoeLargeTile<T>>(context, plan, product);
    launch_tiles<MoeSmallTile<T>>(context, plan, product);
  });
}

}  // namespace attention
