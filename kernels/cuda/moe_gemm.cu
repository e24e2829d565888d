#include "moe_gemm.h"

#include "moe_product.h"

namespace attention {

void moe_gemm(const LaunchContext& context, const MoeGemmParams& params) {
  if (params.pairs == 0 || params.width == 0) return;
  const bool aligned = is_moe_aligned(params.x.type, params.depth);
  const MoePlan plan = plan_moe(context, params.x.type, params.pairs, params.experts, aligned);
  const int64_t num_tiles = plan.needs_tiles ? count_moe_tiles(params.pairs, params.experts, plan.rows_per_tile) : 0;
  const Scratch tiles(context, size_t(num_tiles) * sizeof(MoeTile));
  if (plan.needs_tiles) {
    make_moe_tiles(context, params.expert_ids, params.pairs, params.experts, plan.rows_per_tile, tiles.as<MoeTile>());
  }
  multiply_experts(context, plan,
                   {
                       .x = params.x,
                       .weights = params.weights,
                       .output = params.output,
                       .topk_weights = params.topk_weights,
                       .sorted_token_ids = params.sorted_token_ids,
                       .expert_ids = params.expert_ids,
                       .tiles = tiles.as<MoeTile>(),
                       .pairs = params.pairs,
                       .experts = params.experts,
                       .pairs_per_row = params.pairs_per_row,
                       .width = params.width,
                       .depth = params.depth,
                       .gated = false,
                       .activation = MoeActivation::silu,
                   });
}

}  // namespace attention
