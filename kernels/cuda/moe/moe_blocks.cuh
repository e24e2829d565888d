#pragma once
// Products with experts' weights in a block type. A thread block takes 16 lines of an expert's matrix (if gated, half of
// them from the up projection) and all rows of a tile; see blocks/block_stream.cuh.

#include "blocks/block_stream.cuh"
#include "common/shared_memory.cuh"
#include "moe/moe_launch.cuh"
#include "moe/moe_rows.cuh"

namespace attention {

/// Sums of up to 8 * Tiles rows of a half type, or Tiles rows of float32.
template <typename Block, bool Gated, int Tiles, int Rows, typename T>
__device__ __forceinline__ void multiply_moe_blocks(const MoeOperands<T>& operands, const MoeRows& rows,
                                                    int first_column, float (&partial_sums)[Rows][moe_lines + 1]) {
  using Sums = BlockSums<Block, T, Tiles>;
  constexpr int columns = moe_block_columns<Gated>;
  const int64_t line_bytes = operands.depth / Block::length * Block::bytes;
  const int64_t first_line = int64_t(rows.expert) * (Gated ? 2 : 1) * operands.width;
  const auto* weights = reinterpret_cast<const uint8_t*>(operands.weights);
  // Lines and rows beyond the last repeat it: their sums are not stored.
  const auto line = [&](int i) {
    const int column = min(first_column + i % columns, operands.width - 1);
    return weights + (first_line + (i / columns) * int64_t(operands.width) + column) * line_bytes;
  };
  const T* inputs[Tiles];
#pragma unroll
  for (int i = 0; i < Tiles; i++) {
    const unsigned pair = operands.pair_at(rows.position(min(Sums::row_of(i), rows.count - 1)));
    inputs[i] = operands.row_of(min(pair, unsigned(operands.pairs - 1)));
  }
  Sums sums;
  const int warp = threadIdx.x / warp_size;
  stream_blocks<Block>(sums, shared_memory<uint8_t>() + warp * BlockRun<Block>::warp_bytes, line, inputs,
                       operands.depth, warp, int(blockDim.x / warp_size));
  sums.store(partial_sums);
}

template <typename Block, typename T, bool Gated, int Tiles>
__global__ __launch_bounds__(max_block_warps* warp_size) void moe_blocks_kernel(const MoeOperands<T> operands) {
  constexpr int tile_rows = BlockSums<Block, T, Tiles>::rows;
  __shared__ MoePartialSums<tile_rows> partial_sums;
  const MoeRows rows = find_moe_rows(operands, blockIdx.y, tile_rows);
  if (rows.count == 0 || (Gated && rows.expert < 0)) return;
  const int first_column = blockIdx.x * moe_block_columns<Gated>;
  if (rows.expert >= 0) {
    auto& own = partial_sums[threadIdx.x / warp_size];
    if (Tiles > 1 && rows.count <= BlockSums<Block, T, 1>::rows) {
      multiply_moe_blocks<Block, Gated, 1>(operands, rows, first_column, own);
    } else {
      multiply_moe_blocks<Block, Gated, Tiles>(operands, rows, first_column, own);
    }
  }
  __syncthreads();
  store_moe_rows<Gated, tile_rows>(operands, rows, first_column, partial_sums);
}

template <typename T>
void launch_moe_blocks(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  with_block_type(product.weights.type, [&](auto tag) {
    using Block = typename decltype(tag)::type;
    constexpr int few = moe_block_rows(std::is_same_v<T, float>, false);
    constexpr int many = moe_block_rows(std::is_same_v<T, float>, true);
    constexpr int rows_per_tile = BlockSums<Block, T, 1>::rows;
    const int runs = divide_up(product.depth, BlockRun<Block>::length);
    const int warps = std::min(block_warps<Block>(context, plan.rows_per_tile), std::max(runs, 1));
    const auto run = [&](auto gated, auto tiles) {
      constexpr bool is_gated = decltype(gated)::value;
      launch(context, moe_blocks_kernel<Block, T, is_gated, decltype(tiles)::value>,
             {.blocks = {divide_up(product.width, moe_block_columns<is_gated>), count_moe_rows(plan, product)},
              .threads = unsigned(warps * warp_size),
              .shared_bytes = size_t(warps) * BlockRun<Block>::warp_bytes},
             moe_operands<T>(product));
    };
    with_flag(product.gated, [&](auto gated) {
      if (plan.rows_per_tile == few) return run(gated, std::integral_constant<int, few / rows_per_tile>{});
      run(gated, std::integral_constant<int, many / rows_per_tile>{});
    });
  });
}

}  // namespace attention
