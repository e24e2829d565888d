#include "moe/moe_gemm.h"

namespace attention {

void moe_gemm(const LaunchContext& context, MoeProduct product) {
  if (product.pairs == 0 || product.width == 0) return;
  const int pairs = product.pairs;
  const int experts = product.experts;
  const bool aligned = is_moe_aligned(product.x.type, product.depth);
  const MoePlan plan = plan_moe(context, product.x.type, pairs, experts, aligned);
  const int64_t num_tiles = plan.needs_tiles ? count_moe_tiles(pairs, experts, plan.rows_per_tile) : 0;
  const Scratch tiles(context, size_t(num_tiles) * sizeof(MoeTile));
  product.tiles = tiles.as<MoeTile>();
  if (plan.needs_tiles) {
    make_moe_tiles(context, product.expert_ids, pairs, experts, plan.rows_per_tile, tiles.as<MoeTile>());
  }
  multiply_experts(context, plan, product);
}

}  // namespace attention
