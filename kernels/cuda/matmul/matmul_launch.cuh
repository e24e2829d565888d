#pragma once
// Chooses the kernel, tile and grid of a product. Instantiated in one file per type.

#include <algorithm>
#include <bit>
#include <type_traits>

#include "matmul/cublaslt.h"
#include "matmul/matmul.cuh"
#include "matmul/matmul_vectors.cuh"

namespace attention {

/// Launches the product for elements of type T. The product is not empty.
template <typename T>
void launch_matmul(const LaunchContext& context, const MatmulParams& params);

namespace matmul_choice {

constexpr int64_t max_grid_batches = 65535;
constexpr int max_stream_rows = 16;
template <typename T>
constexpr int max_dot_rows = std::is_same_v<T, float> ? 16 : 4;  // on tensor cores each row costs less
constexpr int max_column_rows = 4;
constexpr double min_products_for_cublaslt = 1 << 24;

/// The properties of a tile that determine its cost.
struct TileShape {
  int rows;
  int columns;
  int depth;         // per step
  int shared_bytes;
  int clocks;        // rough cost per multiprocessor of 16 of the depth
  bool any_layout;   // otherwise a must not be transposed, and lines must be aligned
};

struct TilePlan {
  int tile;    // index in the table of tiles
  int splits;  // of the depth
  int depth;   // per split
};

/// Chooses the tile and the number of splits with the lowest estimated time.
template <size_t Count>
TilePlan plan_tiles(const DeviceLimits& device, const TileShape (&tiles)[Count], int64_t rows, int64_t columns,
                    int64_t depth, int64_t batches, bool simple_layout) {
  TilePlan best{-1, 1, 1};
  int64_t least = INT64_MAX;
  for (size_t i = 0; i < Count; i++) {
    const TileShape& tile = tiles[i];
    if (tile.shared_bytes > device.shared_bytes_per_block || !(simple_layout || tile.any_layout)) continue;
    const int64_t blocks = divide_up<int64_t>(rows, tile.rows) * divide_up<int64_t>(columns, tile.columns) * batches;
    const int64_t steps = std::max<int64_t>(1, divide_up<int64_t>(depth, tile.depth));
    // Shorter splits do not pay for the second kernel.
    const int64_t most = std::min<int64_t>({device.multiprocessors / blocks, steps / 4, 64});
    for (int64_t splits = 1; splits <= std::max<int64_t>(1, most); splits++) {
      const int64_t steps_per_split = divide_up(steps, splits);
      const int64_t waves = divide_up<int64_t>(blocks * splits, device.multiprocessors);
      int64_t clocks = waves * (2000 + steps_per_split * (tile.depth / 16) * tile.clocks);
      if (splits > 1) clocks += 4000 + splits * rows * columns * batches * 8 / 2500;
      if (clocks >= least) continue;
      least = clocks;
      best = {int(i), int(divide_up(steps, steps_per_split)), int(steps_per_split) * tile.depth};
    }
  }
  return best;
}

template <typename T>
MatmulOperands<T> operands_of(const MatmulParams& params) {
  MatmulOperands<T> operands{};
  operands.a = params.a.as<T>();
  operands.b = params.b.as<T>();
  operands.bias = params.bias.as<T>();
  operands.output = params.output.as<T>();
  operands.batches = 1;
  const auto is_multiple = [](int64_t elements) { return elements % pack_size<T> == 0; };
  const auto is_aligned = [](const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; };
  operands.aligned_a = is_aligned(operands.a) && is_multiple(params.transpose_a ? params.rows : params.depth);
  operands.aligned_b = is_aligned(operands.b) && is_multiple(params.transpose_b ? params.depth : params.columns);
  operands.aligned_output = is_aligned(operands.output) && is_aligned(operands.bias) && is_multiple(params.columns);
  for (int axis = 0; axis < max_batch_rank; axis++) {
    const bool exists = axis < params.batch_rank;
    operands.batch_shape[axis] = exists ? int(params.batch_shape[axis]) : 1;
    operands.a_batch_strides[axis] = exists ? params.a_batch_strides[axis] : 0;
    operands.b_batch_strides[axis] = exists ? params.b_batch_strides[axis] : 0;
    operands.batches *= operands.batch_shape[axis];
    operands.aligned_a = operands.aligned_a && is_multiple(operands.a_batch_strides[axis]);
    operands.aligned_b = operands.aligned_b && is_multiple(operands.b_batch_strides[axis]);
  }
  operands.rows = int(params.rows);
  operands.columns = int(params.columns);
  operands.depth = int(params.depth);
  operands.bias_stride = params.bias_per_column ? 1 : 0;
  operands.activation = params.activation;
  operands.slope = params.slope;
  return operands;
}

/// Calls `run` with the splits of the depth, and adds up their partial sums.
template <typename T, typename Run>
void with_splits(const LaunchContext& context, const MatmulOperands<T>& operands, int count, int depth, Run&& run) {
  if (count == 1) return run(MatmulSplits{nullptr, std::max(depth, 1)});
  const int64_t elements = int64_t(operands.batches) * operands.rows * operands.columns;
  const Scratch sums(context, size_t(count) * elements * sizeof(float));
  run(MatmulSplits{sums.as<float>(), depth});
  constexpr int threads = 256;
  const bool packed = operands.aligned_output && elements % 4 == 0;
  const int64_t blocks = strided_blocks(context, divide_up<int64_t>(elements, packed ? 4 : 1), threads);
  launch(context, packed ? matmul_sum_splits_kernel<4, T> : matmul_sum_splits_kernel<1, T>,
         {.blocks = blocks, .threads = threads}, operands, sums.as<float>(), count, elements);
}

template <typename Tile, bool ContiguousA, bool ContiguousB, typename T>
void launch_tiles(const LaunchContext& context, const MatmulOperands<T>& operands, const TilePlan& plan) {
  const int64_t tiles = divide_up<int64_t>(operands.rows, Tile::rows) *
                        divide_up<int64_t>(operands.columns, Tile::columns) * operands.batches;
  with_splits(context, operands, plan.splits, plan.depth, [&](const MatmulSplits& splits) {
    launch(context, matmul_tiles_kernel<Tile, ContiguousA, ContiguousB>,
           {.blocks = {tiles, plan.splits},
            .threads = Tile::threads,
            .shared_bytes = Tile::shared_bytes},
           operands, splits);
  });
}

/// For a that is not transposed.
template <typename Tile, typename T>
void launch_simple_tiles(const LaunchContext& context, const MatmulOperands<T>& operands, const TilePlan& plan,
                         const MatmulParams& params) {
  with_flag(params.transpose_b, [&](auto contiguous_b) {
    launch_tiles<Tile, true, decltype(contiguous_b)::value>(context, operands, plan);
  });
}

template <typename Tile, typename T>
void launch_any_tiles(const LaunchContext& context, const MatmulOperands<T>& operands, const TilePlan& plan,
                      const MatmulParams& params) {
  if (!params.transpose_a) return launch_simple_tiles<Tile>(context, operands, plan, params);
  with_flag(params.transpose_b, [&](auto contiguous_b) {
    launch_tiles<Tile, false, decltype(contiguous_b)::value>(context, operands, plan);
  });
}

template <typename Tile>
constexpr TileShape shape_of(int clocks, bool any_layout) {
  return {Tile::rows, Tile::columns, Tile::depth, Tile::shared_bytes, clocks, any_layout};
}

/// Computes in true float32 on CUDA cores, for any T.
template <typename T>
void launch_fma_tiles(const LaunchContext& context, const MatmulOperands<T>& operands, const MatmulParams& params) {
  using Small = FmaTile<T, 64>;
  using Large = FmaTile<T, std::is_same_v<T, float> ? 128 : 64>;  // half types get here only on old devices
  static constexpr TileShape tiles[] = {shape_of<Large>(2700, true), shape_of<Small>(1000, true)};
  const TilePlan plan = plan_tiles(context.device, tiles, operands.rows, operands.columns, operands.depth,
                                   operands.batches, true);
  if (plan.tile == 0) return launch_any_tiles<Large>(context, operands, plan, params);
  launch_any_tiles<Small>(context, operands, plan, params);
}

/// Computes on tensor cores.
template <typename T>
void launch_tensor_core_tiles(const LaunchContext& context, const MatmulOperands<T>& operands,
                              const MatmulParams& params) {
  using Largest = GemmTile<T, 128, 256, 2, 4>;
  using Large = GemmTile<T, 128, 128, 2, 2, 32, 5>;
  using Flat = GemmTile<T, 64, 128, 2, 2, 64, 4>;
  using Small = GemmTile<T, 64, 64, 2, 2, 64, 3, false>;
  static constexpr TileShape tiles[] = {shape_of<Largest>(410, false), shape_of<Large>(205, false),
                                        shape_of<Flat>(144, false), shape_of<Small>(96, true)};
  const bool is_simple = !params.transpose_a && operands.aligned_a && operands.aligned_b;
  const TilePlan plan = plan_tiles(context.device, tiles, operands.rows, operands.columns, operands.depth,
                                   operands.batches, is_simple);
  switch (plan.tile) {
    case 0: return launch_simple_tiles<Largest>(context, operands, plan, params);
    case 1: return launch_simple_tiles<Large>(context, operands, plan, params);
    case 2: return launch_simple_tiles<Flat>(context, operands, plan, params);
    default: return launch_any_tiles<Small>(context, operands, plan, params);
  }
}

/// For up to 16 rows of a half type on tensor cores; b contiguous along the depth, everything aligned.
template <typename T>
void launch_stream(const LaunchContext& context, const MatmulOperands<T>& operands) {
  const int blocks = divide_up(operands.columns, stream_columns);
  // If there are few blocks, give each more warps to keep enough loads in flight.
  const bool is_narrow = int64_t(blocks) * operands.batches <= context.device.multiprocessors;
  const unsigned warps = is_narrow ? max_stream_warps : max_stream_warps / 2;
  launch(context, operands.rows <= 8 ? matmul_stream_kernel<T, 1> : matmul_stream_kernel<T, 2>,
         {.blocks = {blocks, operands.batches}, .threads = warps * warp_size}, operands);
}

template <typename T, int Rows, int Columns>
void launch_dots_of(const LaunchContext& context, const MatmulOperands<T>& operands) {
  const int row_blocks = divide_up(operands.rows, Rows);
  const int groups = divide_up(operands.columns, Columns);
  // If there are enough warps to saturate memory bandwidth, each works alone; otherwise the warps of a block share
  // columns.
  const bool are_many = int64_t(groups) * operands.batches >= 4 * context.device.multiprocessors;
  const int slices_shift = are_many ? 0 : std::countr_zero(unsigned(vector_warps));
  const bool is_aligned = operands.aligned_a && operands.aligned_b;
  launch(context,
         is_aligned ? matmul_dots_kernel<T, Rows, Columns, pack_size<T>> : matmul_dots_kernel<T, Rows, Columns, 1>,
         {.blocks = {int64_t(row_blocks) * divide_up(groups, vector_warps >> slices_shift), operands.batches},
          .threads = vector_warps * warp_size},
         operands, slices_shift);
}

template <typename T>
void launch_dots(const LaunchContext& context, const MatmulOperands<T>& operands) {
  if (operands.rows == 1) return launch_dots_of<T, 1, 1>(context, operands);
  if (operands.rows == 2) return launch_dots_of<T, 2, 2>(context, operands);
  launch_dots_of<T, 4, 2>(context, operands);
}

template <typename T, int Rows, int N>
void launch_columns(const LaunchContext& context, const MatmulOperands<T>& operands) {
  const int blocks = divide_up(operands.columns, warp_size * N);
  const int64_t wanted = divide_up<int64_t>(2 * context.device.multiprocessors, int64_t(blocks) * operands.batches);
  const int64_t most = std::max(1, operands.depth / (4 * vector_warps));
  const int depth = std::max<int>(1, divide_up<int>(operands.depth, int(std::min(wanted, most))));
  const int count = std::max(1, divide_up(operands.depth, depth));
  with_splits(context, operands, count, depth, [&](const MatmulSplits& splits) {
    launch(context, matmul_columns_kernel<T, Rows, N>,
           {.blocks = {blocks, count, operands.batches},
            .threads = vector_warps * warp_size,
            .shared_bytes = size_t(vector_warps) * Rows * warp_size * N * sizeof(float)},
           operands, splits);
  });
}

/// For few rows, launches the vector kernels; returns false if they do not apply.
template <typename T>
bool launch_vectors(const LaunchContext& context, const MatmulOperands<T>& operands, const MatmulParams& params,
                    bool has_tensor_cores) {
  if (params.transpose_a || operands.batches > max_grid_batches) return false;
  if (params.transpose_b) {
    if (operands.rows <= max_dot_rows<T>) {
      launch_dots(context, operands);
      return true;
    }
    if constexpr (!std::is_same_v<T, float>) {
      if (has_tensor_cores && operands.rows <= max_stream_rows && operands.aligned_a && operands.aligned_b) {
        launch_stream(context, operands);
        return true;
      }
    }
    return false;
  }
  if (operands.rows > max_column_rows) return false;
  with_flag(operands.rows == 1, [&](auto is_one) {
    with_flag(operands.aligned_b, [&](auto is_aligned) {
      launch_columns<T, decltype(is_one)::value ? 1 : 4, decltype(is_aligned)::value ? pack_size<T> : 1>(context,
                                                                                                        operands);
    });
  });
  return true;
}

}  // namespace matmul_choice

template <typename T>
void launch_matmul(const LaunchContext& context, const MatmulParams& params) {
  using namespace matmul_choice;
  const MatmulOperands<T> operands = operands_of<T>(params);
  const bool has_tensor_cores = context.device.architecture >= (std::is_same_v<T, bfloat16> ? 80 : 75);
  if (launch_vectors(context, operands, params, has_tensor_cores)) return;
  const double products = double(operands.batches) * operands.rows * operands.columns * operands.depth;
  if (params.allow_cublaslt && context.cublaslt && products >= min_products_for_cublaslt &&
      context.cublaslt->multiply(context, params)) {
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    launch_fma_tiles(context, operands, params);
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    has_tensor_cores ? launch_tensor_core_tiles(context, operands, params)
                     : launch_fma_tiles(context, operands, params);
  } else {
    launch_tensor_core_tiles(context, operands, params);
  }
}

}  // namespace attention
