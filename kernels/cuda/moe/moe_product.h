#pragma once
// The products that moe_gemm and fused_moe consist of: rows of x times the transposed matrices of their experts.

#include "common/element_type.h"
#include "common/launch.h"
#include "moe/moe_tiles.h"

namespace attention {

struct MoeProduct {
  Operand x;        // [rows, depth]; pair p multiplies row p / pairs_per_row
  Operand weights;  // [experts, width, depth]; gated [experts, 2 * width, depth], gate rows first
  Operand output;   // [pairs, width], the type of x, or float32 where not gated. Rows of pairs without an expert: NaN, or
                    // where gated nothing
  const float* topk_weights;    // [pairs], factors of the rows, or null. Not where gated
  const int* sorted_token_ids;  // [pairs], or null: position i of the order is pair i
  const int* expert_ids;        // [pairs], of the positions of the order
  const MoeTile* tiles;         // made of them with the plan's rows, or null where the plan has no tiles
  int pairs;
  int experts;
  int pairs_per_row;
  int width;
  int depth;
  bool gated;  // activation(gate) * up
  MoeActivation activation;
};

/// How products are computed.
struct MoePlan {
  enum class Kernel {
    stream,       // half types on tensor cores, few rows an expert: all the time goes into reading weights
    dots,         // the same for float32
    small_tiles,  // tensor cores, several rows an expert
    large_tiles,  // many
    fma_tiles,    // true float32, and what the others do not take
  };
  Kernel kernel;
  int rows_per_tile;
  bool needs_tiles;  // else blocks find out for themselves which pairs have the same expert, sorted or not
};

/// `aligned`: the lines of x and of the weights are multiples of 16 bytes.
MoePlan plan_moe(const LaunchContext& context, ElementType type, int pairs, int experts, bool aligned);

/// Whether lines of `depth` elements are.
bool is_moe_aligned(ElementType type, int depth);

void multiply_experts(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);

// The kernels that multiply_experts chooses between, for products that are not empty.
void multiply_experts_by_rows(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);
void multiply_experts_by_tiles(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);

}  // namespace attention
