#pragma once
// Operands and epilogue shared by all kernels that multiply by experts' matrices.

#include "elementwise/activations.cuh"
#include "common/convert.cuh"
#include "moe/moe_product.h"

namespace attention {

/// A product, as kernels receive it.
template <typename T>
struct MoeOperands {
  const T* x;
  const T* weights;
  void* output;
  const float* topk_weights;
  const int* sorted_token_ids;
  const int* expert_ids;
  const MoeTile* tiles;
  int pairs;
  int experts;
  int pairs_per_row;
  int width;
  int depth;
  MoeActivation activation;
  bool float_output;
  bool aligned;         // lines of x and weights are multiples of 16 bytes
  bool aligned_output;  // rows of the output are multiples of 16 bytes

  /// The pair at a position of the sorted order; `pairs` or above for none.
  __device__ __forceinline__ unsigned pair_at(int position) const {
    return sorted_token_ids ? unsigned(sorted_token_ids[position]) : unsigned(position);
  }
  __device__ __forceinline__ const T* row_of(unsigned pair) const {
    return x + int64_t(pair / unsigned(pairs_per_row)) * depth;
  }
  __device__ __forceinline__ float factor_of(unsigned pair) const { return topk_weights ? topk_weights[pair] : 1.0f; }

  /// The line of the weights for an output column: the row of the expert's matrix.
  template <bool Gated>
  __device__ __forceinline__ const T* gate_line(int expert, int column) const {
    return weights + (int64_t(expert) * (Gated ? 2 * int64_t(width) : width) + column) * depth;
  }
  __device__ __forceinline__ const T* up_line(int expert, int column) const {
    return gate_line<true>(expert, column) + int64_t(width) * depth;
  }

  /// Computes activation(gate) * up.
  __device__ __forceinline__ float gate_up(float gate, float up) const {
    constexpr bool fast = sizeof(T) == 2;
    switch (activation) {
      case MoeActivation::gelu: return Gelu::apply<fast>(gate) * up;
      case MoeActivation::gelu_tanh: return GeluTanh::apply<fast>(gate) * up;
      default: return Silu::apply<fast>(gate) * up;
    }
  }

  __device__ __forceinline__ void store(unsigned pair, int column, float value) const {
    const int64_t at = int64_t(pair) * width + column;
    if (float_output) {
      static_cast<float*>(output)[at] = value;
    } else {
      static_cast<T*>(output)[at] = from_float<T>(value);
    }
  }

  /// Stores N adjacent elements. The output must be aligned.
  template <int N>
  __device__ __forceinline__ void store_neighbours(unsigned pair, int column, const float (&values)[N]) const {
    const int64_t at = int64_t(pair) * width + column;
    if (float_output) {
      store_pack<N>(static_cast<float*>(output) + at, values);
    } else {
      store_pack<N>(static_cast<T*>(output) + at, values);
    }
  }
};

/// The pairs of one expert that a block processes, and their positions in the sorted order.
struct MoeRows {
  int expert;
  int count;         // 0: none
  int first;         // position of the first, if they are consecutive
  unsigned members;  // otherwise a bitmask of the positions, below 32

  __device__ __forceinline__ int position(int row) const {
    if (members == 0) return first + row;
    unsigned rest = members;
    for (int i = 0; i < row; i++) rest &= rest - 1;
    return __ffs(rest) - 1;
  }
};

/// The pairs of grid row `index`: a tile, if the plan has tiles. Otherwise the pairs, at most `rows_per_tile`, that
/// have the same expert as position `index`, starting there. Of the pairs of one expert, every `rows_per_tile`-th
/// starts a group; the others get an empty result. All lanes of a warp call it.
template <typename T>
__device__ __forceinline__ MoeRows find_moe_rows(const MoeOperands<T>& operands, int index, int rows_per_tile) {
  if (operands.tiles) {
    const MoeTile tile = operands.tiles[index];
    return {tile.expert, tile.end - tile.first, tile.first, 0};
  }
  const int lane = threadIdx.x % 32;
  const int expert = operands.expert_ids[index];
  unsigned members = __ballot_sync(0xffffffffu, lane < operands.pairs && operands.expert_ids[lane] == expert);
  const int rank = __popc(members & ((1u << index) - 1));
  if (rank % rows_per_tile != 0) return {expert, 0, 0, 0};
  members &= ~0u << index;
  return {expert >= 0 && expert < operands.experts ? expert : -1, min(__popc(members), rows_per_tile), 0, members};
}

}  // namespace attention
