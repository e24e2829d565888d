#pragma once
// Products with few rows, bound by the bandwidth of reading b, once. So these kernels keep many loads in flight and
// divide the depth among warps, whose partial sums are added in shared memory.

#include "matmul/matmul.cuh"

namespace attention {

constexpr int max_stream_warps = 16;
constexpr int stream_columns = 16;  // per block
constexpr int stream_step = 64;     // of the depth, per warp and step

/// Up to 8 * RowTiles rows on tensor cores, with b contiguous along the depth. The warps of a block divide the depth of
/// 16 columns. Each lane loads 16 contiguous bytes of a line and uses them directly as its fragments: this permutes the
/// depth, but in both operands alike, so the sums are right.
template <typename T, int RowTiles>
__global__ __launch_bounds__(max_stream_warps* warp_size) void matmul_stream_kernel(const MatmulOperands<T> operands) {
  constexpr int stages = 4;
  __shared__ float partial_sums[max_stream_warps][RowTiles * 8][stream_columns + 1];
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int warps = blockDim.x / warp_size;
  const int group = lane / 4;
  const int offset = lane % 4 * 8;
  const int first_column = blockIdx.x * stream_columns;
  const int batch = blockIdx.y;
  const int64_t depth = operands.depth;
  const T* a = operands.a + batch_offset(operands.a_batch_strides, operands.batch_shape, batch) + offset;
  const T* b = operands.b + batch_offset(operands.b_batch_strides, operands.batch_shape, batch) + offset;
  // Lines beyond the last repeat it: their sums are not stored.
  const T* columns[2];
  const T* rows[RowTiles];
#pragma unroll
  for (int i = 0; i < 2; i++) columns[i] = b + min(first_column + i * 8 + group, operands.columns - 1) * depth;
#pragma unroll
  for (int i = 0; i < RowTiles; i++) rows[i] = a + min(i * 8 + group, operands.rows - 1) * depth;

  const auto fetch = [&](uint4(&to)[2][2], int step) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int k = step * stream_step + half * 32;
#pragma unroll
      for (int i = 0; i < 2; i++) {
        to[half][i] = load_once(columns[i] + k, k + offset < depth);
      }
    }
  };
  float sums[RowTiles][4] = {};
  uint4 weights[stages][2][2];
#pragma unroll
  for (int stage = 0; stage < stages; stage++) fetch(weights[stage], warp + stage * warps);
  const int steps = int((depth + stream_step - 1) / stream_step);
  for (int first = warp; first < steps; first += stages * warps) {
#pragma unroll
    for (int stage = 0; stage < stages; stage++) {
      const int step = first + stage * warps;
      if (step >= steps) break;
      uint4 row[2][RowTiles];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int k = step * stream_step + half * 32;
#pragma unroll
        for (int i = 0; i < RowTiles; i++) {
          row[half][i] = k + offset < depth ? *reinterpret_cast<const uint4*>(rows[i] + k) : uint4{0, 0, 0, 0};
        }
      }
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const uint4 low = weights[stage][half][0];
        const uint4 high = weights[stage][half][1];
#pragma unroll
        for (int i = 0; i < RowTiles; i++) {
          const uint4 right = row[half][i];
          multiply_matrices<T>(sums[i], {low.x, high.x, low.y, high.y}, {right.x, right.y});
          multiply_matrices<T>(sums[i], {low.z, high.z, low.w, high.w}, {right.z, right.w});
        }
      }
      fetch(weights[stage], step + stages * warps);
    }
  }
#pragma unroll
  for (int i = 0; i < RowTiles; i++) {
#pragma unroll
    for (int n = 0; n < 4; n++) {
      partial_sums[warp][i * 8 + lane % 4 * 2 + n % 2][group + n / 2 * 8] = sums[i][n];
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < operands.rows * stream_columns; i += blockDim.x) {
    const int row = i / stream_columns;
    const int column = first_column + i % stream_columns;
    if (column >= operands.columns) continue;
    float sum = 0.0f;
    for (int w = 0; w < warps; w++) sum += partial_sums[w][row][i % stream_columns];
    store_sum(operands, {nullptr, 0}, 0, batch, row, column, sum);
  }
}

/// Loads words that are read only once.
template <typename Words>
__device__ __forceinline__ Words load_words_once(const void* from) {
  if constexpr (std::is_same_v<Words, uint4>) {
    return load_once(from);
  } else {
    return *static_cast<const Words*>(from);
  }
}

constexpr int vector_warps = 8;

/// In true float32, with b contiguous along the depth: a block takes `Rows` rows, a warp `Columns` columns, each lane N
/// elements per load. 1 << `slices_shift` warps of a block divide the depth of the same columns. Blocks with the same
/// columns are adjacent in the grid, so that all but one read b from the L2 cache.
template <typename T, int Rows, int Columns, int N>
__global__ __launch_bounds__(vector_warps* warp_size) void matmul_dots_kernel(const MatmulOperands<T> operands,
                                                                              int slices_shift) {
  constexpr int stages = 4;
  constexpr int step_depth = warp_size * N;
  __shared__ float partial_sums[vector_warps][Rows * Columns];
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int slices = 1 << slices_shift;
  const int slice = warp & (slices - 1);
  // Avoids divisions if possible: they would delay the first loads.
  const int row_blocks = operands.rows > Rows ? (operands.rows + Rows - 1) / Rows : 1;
  const int column_block = row_blocks > 1 ? blockIdx.x / row_blocks : blockIdx.x;
  const int first_row = (blockIdx.x - column_block * row_blocks) * Rows;
  const int first_group = column_block * vector_warps >> slices_shift;
  const int first_column = (first_group + (warp >> slices_shift)) * Columns;
  const int batch = blockIdx.y;
  const int64_t depth = operands.depth;
  const int offset = lane * N;
  const T* a = operands.a + batch_offset(operands.a_batch_strides, operands.batch_shape, batch) + offset;
  const T* b = operands.b + batch_offset(operands.b_batch_strides, operands.batch_shape, batch) + offset;
  // Lines beyond the last repeat it: their sums are not stored.
  const T* columns[Columns];
  const T* rows[Rows];
#pragma unroll
  for (int j = 0; j < Columns; j++) columns[j] = b + min(first_column + j, operands.columns - 1) * depth;
#pragma unroll
  for (int i = 0; i < Rows; i++) rows[i] = a + min(first_row + i, operands.rows - 1) * depth;

  // Only whole steps, with no per-lane condition: otherwise the compiler would wait for each load separately.
  using Words = std::conditional_t<sizeof(Pack<T, N>) == 16, uint4, Pack<T, N>>;
  const int steps = int(depth / step_depth);
  float sums[Rows][Columns] = {};
  const auto fetch = [&](Words(&to)[Columns], int step) {
#pragma unroll
    for (int j = 0; j < Columns; j++) to[j] = load_words_once<Words>(columns[j] + int64_t(step) * step_depth);
  };
  const auto multiply = [&](const Words(&right)[Columns], int step) {
#pragma unroll
    for (int i = 0; i < Rows; i++) {
      const Words left = *reinterpret_cast<const Words*>(rows[i] + int64_t(step) * step_depth);
      const auto& x = reinterpret_cast<const Pack<T, N>&>(left);
#pragma unroll
      for (int j = 0; j < Columns; j++) {
        const auto& y = reinterpret_cast<const Pack<T, N>&>(right[j]);
#pragma unroll
        for (int n = 0; n < N; n++) sums[i][j] = fmaf(to_float(x.elements[n]), to_float(y.elements[n]), sums[i][j]);
      }
    }
  };
  Words right[stages][Columns];
#pragma unroll
  for (int stage = 0; stage < stages; stage++) {
    if (slice + stage * slices < steps) fetch(right[stage], slice + stage * slices);
  }
  int first = slice;
  for (; first + (stages - 1) * slices < steps; first += stages * slices) {
#pragma unroll
    for (int stage = 0; stage < stages; stage++) {
      const int step = first + stage * slices;
      multiply(right[stage], step);
      if (step + stages * slices < steps) fetch(right[stage], step + stages * slices);
    }
  }
#pragma unroll
  for (int stage = 0; stage < stages - 1; stage++) {
    if (first + stage * slices < steps) multiply(right[stage], first + stage * slices);
  }
  if (slice == 0 && int64_t(steps) * step_depth + offset < depth) {
    fetch(right[0], steps);
    multiply(right[0], steps);
  }
#pragma unroll
  for (int i = 0; i < Rows; i++) {
#pragma unroll
    for (int j = 0; j < Columns; j++) {
      const float sum = warp_sum(sums[i][j]);
      if (lane == 0) partial_sums[warp][i * Columns + j] = sum;
    }
  }
  __syncthreads();
  const int place = threadIdx.x % (Rows * Columns);
  const int group = threadIdx.x / (Rows * Columns);
  const int row = first_row + place / Columns;
  const int column = (first_group + group) * Columns + place % Columns;
  if (group >= vector_warps >> slices_shift || row >= operands.rows || column >= operands.columns) return;
  float sum = 0.0f;
  for (int i = 0; i < slices; i++) sum += partial_sums[group * slices + i][place];
  store_sum(operands, {nullptr, 0}, 0, batch, row, column, sum);
}

/// Up to `Rows` rows, with b contiguous across the depth: each lane takes N adjacent columns; warps and blocks divide
/// the depth.
template <typename T, int Rows, int N>
__global__ __launch_bounds__(vector_warps* warp_size) void matmul_columns_kernel(const MatmulOperands<T> operands,
                                                                                 const MatmulSplits splits) {
  constexpr int width = warp_size * N;
  float* partial_sums = shared_memory<float>();  // [warp][row][column]
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int first_column = blockIdx.x * width;
  const int column = first_column + lane * N;
  const int batch = blockIdx.z;
  const int first = blockIdx.y * splits.depth;
  const int limit = min(operands.depth, first + splits.depth);
  const T* a = operands.a + batch_offset(operands.a_batch_strides, operands.batch_shape, batch);
  const T* b = operands.b + batch_offset(operands.b_batch_strides, operands.batch_shape, batch) + column;
  float sums[Rows][N] = {};
  if (column < operands.columns) {
#pragma unroll 8
    for (int k = first + warp; k < limit; k += vector_warps) {
      float right[N];
      load_pack<N>(right, b + int64_t(k) * operands.columns);
#pragma unroll
      for (int i = 0; i < Rows; i++) {
        const float left = to_float(a[min(i, operands.rows - 1) * int64_t(operands.depth) + k]);
#pragma unroll
        for (int n = 0; n < N; n++) sums[i][n] = fmaf(left, right[n], sums[i][n]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < Rows; i++) {
#pragma unroll
    for (int n = 0; n < N; n++) partial_sums[(warp * Rows + i) * width + n * warp_size + lane] = sums[i][n];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < Rows * width; i += blockDim.x) {
    const int row = i / width;
    const int to = first_column + i % width;
    if (row >= operands.rows || to >= operands.columns) continue;
    const int from = i % width % N * warp_size + i % width / N;
    float sum = 0.0f;
    for (int w = 0; w < vector_warps; w++) sum += partial_sums[(w * Rows + row) * width + from];
    store_sum(operands, splits, blockIdx.y, batch, row, to, sum);
  }
}

}  // namespace attention
