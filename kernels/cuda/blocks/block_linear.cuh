#pragma once

#include "blocks/block_linear.h"
#include "blocks/block_stream.cuh"
#include "common/shared_memory.cuh"

namespace attention {

template <typename T>
struct BlockLinearOperands {
  const T* x;
  const uint8_t* weight;
  const T* bias;  // null: none
  T* output;
  int rows;
  int columns;
  int depth;
  int line_bytes;  // of the weight
};

/// A block takes 16 columns of up to 8 * Tiles rows of a half type, or of Tiles rows of float32; its warps divide the
/// depth.
template <typename Block, typename T, int Tiles>
__global__ __launch_bounds__(max_block_warps* warp_size) void block_linear_kernel(
    const BlockLinearOperands<T> operands) {
  using Sums = BlockSums<Block, T, Tiles>;
  __shared__ float partial_sums[max_block_warps][Sums::rows][block_lines + 1];
  const int warp = threadIdx.x / warp_size;
  const int warps = blockDim.x / warp_size;
  const int first_column = blockIdx.x * block_lines;
  const int first_row = blockIdx.y * Sums::rows;
  // Lines and rows beyond the last repeat it: their sums are not stored.
  const auto line = [&](int i) {
    return operands.weight + int64_t(min(first_column + i, operands.columns - 1)) * operands.line_bytes;
  };
  const T* rows[Tiles];
#pragma unroll
  for (int i = 0; i < Tiles; i++) {
    rows[i] = operands.x + int64_t(min(first_row + Sums::row_of(i), operands.rows - 1)) * operands.depth;
  }
  Sums sums;
  stream_blocks<Block>(sums, shared_memory<uint8_t>() + warp * BlockRun<Block>::warp_bytes, line, rows, operands.depth,
                       warp, warps);
  sums.store(partial_sums[warp]);
  __syncthreads();
  const int count = min(Sums::rows, operands.rows - first_row);
  for (int i = threadIdx.x; i < count * block_lines; i += blockDim.x) {
    const int row = i / block_lines;
    const int column = first_column + i % block_lines;
    if (column >= operands.columns) continue;
    float sum = 0.0f;
    for (int w = 0; w < warps; w++) sum += partial_sums[w][row][i % block_lines];
    if (operands.bias) sum += to_float(operands.bias[column]);
    operands.output[int64_t(first_row + row) * operands.columns + column] = from_float<T>(sum);
  }
}

/// Launches the product of few rows.
template <typename T>
void launch_block_linear(const LaunchContext& context, const BlockLinearParams& params) {
  with_block_type(params.weight.type, [&](auto tag) {
    using Block = typename decltype(tag)::type;
    using Run = BlockRun<Block>;
    constexpr bool is_float = std::is_same_v<T, float>;
    const BlockLinearOperands<T> operands = {
        .x = params.x.as<T>(),
        .weight = static_cast<const uint8_t*>(params.weight.data),
        .bias = params.bias.as<T>(),
        .output = params.output.as<T>(),
        .rows = int(params.rows),
        .columns = int(params.columns),
        .depth = int(params.depth),
        .line_bytes = int(params.depth / Block::length * Block::bytes),
    };
    const auto run = [&](auto tiles) {
      constexpr int count = decltype(tiles)::value;
      constexpr int rows = BlockSums<Block, T, count>::rows;
      const int warps = block_warps<Block>(context, rows);
      launch(context, block_linear_kernel<Block, T, count>,
             {.blocks = {divide_up(operands.columns, block_lines), divide_up(operands.rows, rows)},
              .threads = unsigned(warps * warp_size),
              .shared_bytes = size_t(warps) * Run::warp_bytes},
             operands);
    };
    if constexpr (is_float) {
      if (operands.rows == 1) return run(std::integral_constant<int, 1>{});
      run(std::integral_constant<int, 4>{});
    } else {
      if (operands.rows <= 8) return run(std::integral_constant<int, 1>{});
      if (operands.rows <= 16) return run(std::integral_constant<int, 2>{});
      if (operands.rows <= 32) return run(std::integral_constant<int, 4>{});
      run(std::integral_constant<int, 8>{});
    }
  });
}

}  // namespace attention
