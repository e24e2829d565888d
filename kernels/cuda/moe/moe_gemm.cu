#include "common/operation.h"
#include "moe/moe_product.h"

namespace attention {

struct MoeGemmParams {
  Operand x;                                 // [rows, depth]
  WeightOperand weights;                     // [experts, width, depth], the type of x or a block type
  Operand output;                            // [pairs, width], the type of x
  TypedOperand<const float> topk_weights;    // [pairs], factors of the output rows, or none
  TypedOperand<const int> sorted_token_ids;  // [pairs]
  TypedOperand<const int> expert_ids;        // [pairs], in sorted order
  int pairs;
  int experts;
  int pairs_per_row;
  int width;
  int depth;
};

/// Multiplies rows of x by the transposed matrices of their experts. Pairs are sorted by expert; pairs without an
/// expert come last, and their output rows are NaN.
void moe_gemm(const LaunchContext& context, const MoeGemmParams& params) {
  const int pairs = params.pairs;
  const int experts = params.experts;
  if (pairs == 0 || params.width == 0) return;
  expect_positive("pairsPerRow", params.pairs_per_row);
  const bool aligned = is_moe_aligned(params.x.type, params.depth);
  const MoePlan plan = plan_moe(context, params.x.type, params.weights.type, pairs, experts, aligned);
  const int64_t num_tiles = plan.needs_tiles ? count_moe_tiles(pairs, experts, plan.rows_per_tile) : 0;
  const Scratch tiles(context, size_t(num_tiles) * sizeof(MoeTile));
  if (plan.needs_tiles) {
    make_moe_tiles(context, params.expert_ids, pairs, experts, plan.rows_per_tile, tiles.as<MoeTile>());
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
                       .pairs = pairs,
                       .experts = experts,
                       .pairs_per_row = params.pairs_per_row,
                       .width = params.width,
                       .depth = params.depth,
                       .gated = false,
                       .activation = MoeActivation::silu,  // unused: not gated
                   });
}

ATTENTION_OPERATION(moe_gemm, MoeGemmParams, x, weights, output, topk_weights, sorted_token_ids, expert_ids, pairs,
                    experts, pairs_per_row, width, depth)

}  // namespace attention
