#pragma once

#include "moe/moe_product.cuh"

namespace attention {

template <typename T>
MoeOperands<T> moe_operands(const MoeProduct& product) {
  return {
      .x = product.x.as<T>(),
      .weights = static_cast<const T*>(product.weights.data),
      .output = product.output.data,
      .topk_weights = product.topk_weights,
      .sorted_token_ids = product.sorted_token_ids,
      .expert_ids = product.expert_ids,
      .tiles = product.tiles,
      .pairs = product.pairs,
      .experts = product.experts,
      .pairs_per_row = product.pairs_per_row,
      .width = product.width,
      .depth = product.depth,
      .activation = product.activation,
      .float_output = product.output.type == ElementType::float32,
      .aligned = is_moe_aligned(product.x.type, product.depth),
      .aligned_output = product.width % 8 == 0,
  };
}

/// Rows of the grid: the tiles of the plan, or the pairs if it has no tiles.
inline int64_t count_moe_rows(const MoePlan& plan, const MoeProduct& product) {
  return plan.needs_tiles ? count_moe_tiles(product.pairs, product.experts, plan.rows_per_tile) : product.pairs;
}

}  // namespace attention
