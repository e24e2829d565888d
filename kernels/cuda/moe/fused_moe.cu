#include <algorithm>

#include "common/operation.h"
#include "moe/moe_product.h"
#include "moe/fused_moe.cuh"
#include "moe/sort_tokens_by_expert.h"

namespace attention {

struct FusedMoeParams {
  Operand x;                               // [tokens, hidden]
  WeightOperand gate_up_weights;           // [experts, 2 * intermediate, hidden], the type of x or a block type
  WeightOperand down_weights;              // [experts, hidden, intermediate], the same
  TypedOperand<const float> topk_weights;  // [tokens, topk]
  TypedOperand<const int> topk_ids;        // [tokens, topk]
  Operand output;                          // like x
  int tokens;
  int topk;
  int experts;
  int hidden;
  int intermediate;
  MoeActivation activation;
};

namespace {

constexpr int64_t max_product_bytes = int64_t(1) << 29;  // limit of scratch memory; more tokens are processed in chunks

void sum_products(const LaunchContext& context, const FusedMoeParams& params, const float* products) {
  constexpr int threads = 256;
  with_float_type(params.output.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int N = params.hidden % 4 == 0 ? 4 : 1;
    const int packs_per_row = params.hidden / N;
    const int64_t packs = int64_t(params.tokens) * packs_per_row;
    launch(context, N == 4 ? fused_moe_sum_kernel<4, T> : fused_moe_sum_kernel<1, T>,
           {.blocks = divide_up<int64_t>(packs, threads), .threads = threads}, products,
           params.output.as<T>(), packs, packs_per_row, params.topk);
  });
}

/// Processes one chunk of tokens.
void fused_moe_chunk(const LaunchContext& context, const FusedMoeParams& params) {
  const int pairs = params.tokens * params.topk;
  const ElementType type = params.x.type;
  const bool aligned = is_moe_aligned(type, params.hidden) && is_moe_aligned(type, params.intermediate);
  const auto plan_of = [&](const WeightOperand& weights) {
    return plan_moe(context, type, weights.type, pairs, params.experts, aligned);
  };
  const MoePlan plan = plan_of(params.gate_up_weights);
  const MoePlan down_plan = plan_of(params.down_weights);
  const bool share_tiles = plan.needs_tiles == down_plan.needs_tiles && plan.rows_per_tile == down_plan.rows_per_tile;

  const bool is_sorted = plan.needs_tiles || down_plan.needs_tiles;
  const Scratch order(context, is_sorted ? 2 * size_t(pairs) * sizeof(int) : 0);
  int* sorted_token_ids = order.as<int>();
  const int* expert_ids = is_sorted ? sorted_token_ids + pairs : params.topk_ids;
  const auto num_tiles = [&](const MoePlan& plan) {
    return plan.needs_tiles ? size_t(count_moe_tiles(pairs, params.experts, plan.rows_per_tile)) : 0;
  };
  const Scratch tiles(context, num_tiles(plan) * sizeof(MoeTile));
  const Scratch down_tiles(context, share_tiles ? 0 : num_tiles(down_plan) * sizeof(MoeTile));
  const auto make_tiles = [&](const MoePlan& plan, const Scratch& to) {
    if (!plan.needs_tiles) return;
    make_moe_tiles(context, expert_ids, pairs, params.experts, plan.rows_per_tile, to.as<MoeTile>());
  };
  if (is_sorted) {
    sort_tokens_by_expert(context, {
                                       .ids = params.topk_ids,
                                       .sorted_token_ids = {sorted_token_ids},
                                       .expert_ids = {sorted_token_ids + pairs},
                                       .pairs = pairs,
                                       .experts = params.experts,
                                   });
    make_tiles(plan, tiles);
    if (!share_tiles) make_tiles(down_plan, down_tiles);
  }

  const Scratch activated(context, size_t(pairs) * params.intermediate * element_bytes(type));
  const Scratch products(context, size_t(pairs) * params.hidden * sizeof(float));
  const MoeProduct gate_up = {
      .x = params.x,
      .weights = params.gate_up_weights,
      .output = {activated.as<void>(), type},
      .topk_weights = nullptr,
      .sorted_token_ids = sorted_token_ids,
      .expert_ids = expert_ids,
      .tiles = tiles.as<MoeTile>(),
      .pairs = pairs,
      .experts = params.experts,
      .pairs_per_row = params.topk,
      .width = params.intermediate,
      .depth = params.hidden,
      .gated = true,
      .activation = params.activation,
  };
  multiply_experts(context, plan, gate_up);
  MoeProduct down = gate_up;
  down.x = gate_up.output;
  down.weights = params.down_weights;
  down.output = {products.as<void>(), ElementType::float32};
  down.topk_weights = params.topk_weights;
  down.pairs_per_row = 1;
  down.width = params.hidden;
  down.depth = params.intermediate;
  down.gated = false;
  if (!share_tiles) down.tiles = down_tiles.as<MoeTile>();
  multiply_experts(context, down_plan, down);
  sum_products(context, params, products.as<float>());
}

}  // namespace

/// Computes the gated MLPs of each token's experts and their weighted sum. A token with an invalid expert id becomes
/// NaN.
void fused_moe(const LaunchContext& context, const FusedMoeParams& params) {
  if (params.tokens == 0 || params.hidden == 0) return;
  const int64_t bytes_per_token = int64_t(std::max(params.topk, 1)) * params.hidden * int64_t(sizeof(float));
  // A multiple of 4, so that each chunk's ids start at a multiple of 16 bytes.
  const auto chunk = int(std::clamp<int64_t>(max_product_bytes / bytes_per_token / 4 * 4, 4, INT32_MAX / 2));
  const auto advance = [](const Operand& tensor, int64_t elements) {
    return Operand{tensor.as<char>() + elements * element_bytes(tensor.type), tensor.type};
  };
  for (int first = 0; first < params.tokens; first += chunk) {
    FusedMoeParams current = params;
    current.x = advance(params.x, int64_t(first) * params.hidden);
    current.topk_weights.data += int64_t(first) * params.topk;
    current.topk_ids.data += int64_t(first) * params.topk;
    current.output = advance(params.output, int64_t(first) * params.hidden);
    current.tokens = std::min(chunk, params.tokens - first);
    fused_moe_chunk(context, current);
  }
}

ATTENTION_OPERATION(fused_moe, FusedMoeParams, x, gate_up_weights, down_weights, topk_weights, topk_ids, output,
                    tokens, topk, experts, hidden, intermediate, activation)

}  // namespace attention
