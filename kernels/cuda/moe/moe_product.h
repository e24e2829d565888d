#pragma once
// The matrix product of moe_gemm and fused_moe: each row of x is multiplied by the transposed matrix of its expert.

#include "common/element_type.h"
#include "common/launch.h"
#include "moe/moe_tiles.h"

namespace attention {

struct MoeProduct {
  Operand x;        // [rows, depth]; pair p multiplies row p / pairs_per_row
  WeightOperand weights;  // [experts, width, depth]; gated [experts, 2 * width, depth], gate rows first
  Operand output;   // [pairs, width], the type of x, or float32 if not gated. Rows of pairs without an expert are NaN,
                    // or not written if gated
  const float* topk_weights;    // [pairs], factors of the rows, or null; must be null if gated
  const int* sorted_token_ids;  // [pairs], or null: position i of the order is pair i
  const int* expert_ids;        // [pairs], in sorted order
  const MoeTile* tiles;         // made by make_moe_tiles, or null if the plan has no tiles
  int pairs;
  int experts;
  int pairs_per_row;
  int width;
  int depth;
  bool gated;  // output is activation(gate) * up
  MoeActivation activation;
};

/// How a product is computed.
struct MoePlan {
  enum class Kernel {
    stream,       // half types on tensor cores, few rows per expert: bound by reading the weights
    dots,         // the same for float32, on CUDA cores
    small_tiles,  // tensor cores, several rows per expert
    large_tiles,  // tensor cores, many rows per expert
    fma_tiles,    // CUDA cores: float32, and what the others do not support
    blocks,       // weights in a block type
  };
  Kernel kernel;
  int rows_per_tile;
  bool needs_tiles;  // otherwise blocks find the pairs of an expert themselves, sorted or not
};

/// Chooses how to compute a product. `aligned`: the lines of x and of the weights are multiples of 16 bytes.
MoePlan plan_moe(const LaunchContext& context, ElementType type, ElementType weights_type, int pairs, int experts,
                 bool aligned);

/// Rows per tile for weights in a block type, with few or many pairs per expert.
constexpr int moe_block_rows(bool is_float, bool are_many) { return is_float ? 4 : are_many ? 64 : 8; }

/// Whether lines of `depth` elements are multiples of 16 bytes.
bool is_moe_aligned(ElementType type, int depth);

void multiply_experts(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);

// The families of kernels behind multiply_experts, for products that are not empty.
void multiply_experts_by_rows(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);
void multiply_experts_by_tiles(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);
template <typename T>
void launch_moe_blocks(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product);  // moe_blocks.cuh

}  // namespace attention
