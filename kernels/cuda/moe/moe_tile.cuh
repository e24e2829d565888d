#pragma once
// Products of experts with many rows: a block computes a tile of output columns for a tile of pairs of one expert,
// whose rows it gathers from x. Uses the tiles of matmul/gemm.cuh.

#include <algorithm>

#include "matmul/gemm.cuh"
#include "matmul/gemm_fma.cuh"
#include "moe/moe_product.cuh"
#include "common/shared_memory.cuh"

namespace attention {

/// The tile of a block. Tiles whose rows fit in HalfTile, if it has fewer, take that one, which is faster.
template <typename FullTile, typename HalfTile = FullTile>
struct MoeTileShape {
  using Full = FullTile;
  using Half = HalfTile;
  static constexpr int shared_bytes = std::max(Full::shared_bytes, Half::shared_bytes);
  static_assert(Full::threads == Half::threads && Full::columns == Half::columns && Full::pitch == Half::pitch);
};

/// Needs so little shared memory that every device has it, and a multiprocessor holds several blocks.
template <typename T>
using MoeSmallTile = MoeTileShape<GemmTile<T, 64, 128, 2, 2, 32, 4>>;
template <typename T>
using MoeLargeTile = MoeTileShape<GemmTile<T, 128, 256, 2, 4>, GemmTile<T, 64, 256, 1, 8>>;
template <typename T>
using MoeFmaTile = MoeTileShape<FmaTile<T, 64>>;

/// The rows of x for consecutive pairs of the sorted order.
template <typename T>
struct MoeInputLines {
  const MoeOperands<T>& operands;
  int first;
  int count;

  __device__ __forceinline__ const T* line(int i) const {
    if (i >= count) return nullptr;
    const unsigned pair = operands.pair_at(first + i);
    return pair < unsigned(operands.pairs) ? operands.row_of(pair) : nullptr;
  }
};

/// Lines of an expert's matrix. If gated, `half` gate lines, then as many up lines.
template <bool Gated, typename T>
struct MoeWeightLines {
  const MoeOperands<T>& operands;
  int expert;
  int first_column;
  int half;

  __device__ __forceinline__ const T* line(int i) const {
    const int column = first_column + (Gated ? i % half : i);
    if (column >= operands.width) return nullptr;
    return Gated && i >= half ? operands.up_line(expert, column) : operands.template gate_line<Gated>(expert, column);
  }
};

/// Output columns per tile.
template <typename Tile, bool Gated>
constexpr int moe_tile_columns = Gated ? Tile::columns / 2 : Tile::columns;

/// Applies the epilogue to a tile's products and stores them, or NaN for pairs without an expert.
template <typename Tile, bool Gated>
__device__ __forceinline__ void store_moe_tile(const MoeOperands<typename Tile::Element>& operands, const MoeTile& tile,
                                               int first_column, const float* products) {
  constexpr int N = 8;
  constexpr int columns = moe_tile_columns<Tile, Gated>;
  constexpr int packs = columns / N;
  const int count = tile.end - tile.first;
  for (int i = threadIdx.x; i < count * packs; i += Tile::threads) {
    const int row = i / packs;
    const int column = i % packs * N;
    const unsigned pair = operands.pair_at(tile.first + row);
    if (pair >= unsigned(operands.pairs) || first_column + column >= operands.width) continue;
    float values[N];
    if (tile.expert < 0) {
#pragma unroll
      for (int j = 0; j < N; j++) values[j] = __builtin_nanf("");
    } else {
      const float* from = products + row * Tile::pitch + column;
      load_pack<N>(values, from);
      if constexpr (Gated) {
        float ups[N];
        load_pack<N>(ups, from + columns);
#pragma unroll
        for (int j = 0; j < N; j++) values[j] = operands.gate_up(values[j], ups[j]);
      } else {
        const float factor = operands.factor_of(pair);
#pragma unroll
        for (int j = 0; j < N; j++) values[j] *= factor;
      }
    }
    if (operands.aligned_output) {
      operands.template store_neighbours<N>(pair, first_column + column, values);
      continue;
    }
#pragma unroll
    for (int j = 0; j < N; j++) {
      if (first_column + column + j < operands.width) operands.store(pair, first_column + column + j, values[j]);
    }
  }
}

/// Computes a tile's products in shared memory.
template <typename Tile, bool Gated>
__device__ __forceinline__ void multiply_moe_tile(const MoeOperands<typename Tile::Element>& operands,
                                                  const MoeTile& tile, int first_column, float* products) {
  using T = typename Tile::Element;
  const DepthContiguous<T, MoeInputLines<T>> a = {{operands, tile.first, tile.end - tile.first}, operands.aligned};
  const DepthContiguous<T, MoeWeightLines<Gated, T>> b = {
      {operands, tile.expert, first_column, moe_tile_columns<Tile, Gated>}, operands.aligned};
  typename Tile::Sums sums;
  Tile::multiply(sums, reinterpret_cast<uint4*>(products), a, b, 0, operands.depth);
  Tile::gather(sums, products);
}

/// Blocks are numbered so that those that run concurrently share rows of x and weights in the L2 cache: groups of 8
/// tiles of pairs, mostly of one expert, go through the columns together.
template <typename Shape, bool Gated>
__global__ void __launch_bounds__(Shape::Full::threads)
    moe_tile_kernel(const MoeOperands<typename Shape::Full::Element> operands, int column_tiles) {
  using Full = typename Shape::Full;
  using Half = typename Shape::Half;
  constexpr int group_tiles = 8;
  const int group = blockIdx.x / (group_tiles * column_tiles);
  const int in_group = blockIdx.x % (group_tiles * column_tiles);
  const int group_size = min(group_tiles, int(gridDim.x) / column_tiles - group * group_tiles);
  const MoeTile tile = operands.tiles[group * group_tiles + in_group % group_size];
  if (tile.end <= tile.first || (Gated && tile.expert < 0)) return;
  const int first_column = in_group / group_size * moe_tile_columns<Full, Gated>;
  float* products = shared_memory<float>();
  if (tile.expert >= 0) {
    if (Half::rows < Full::rows && tile.end - tile.first <= Half::rows) {
      multiply_moe_tile<Half, Gated>(operands, tile, first_column, products);
    } else {
      multiply_moe_tile<Full, Gated>(operands, tile, first_column, products);
    }
  }
  store_moe_tile<Full, Gated>(operands, tile, first_column, products);
}

}  // namespace attention
