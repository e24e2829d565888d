#pragma once
// Products of experts with few rows, bound by the bandwidth of reading the weights, each once. A block takes 16 lines
// of an expert's matrix (if gated, half of them from the up projection) and all rows of a tile. Its warps divide the
// depth; their partial sums are added in shared memory.

#include "common/block_reduce.cuh"
#include "moe/moe_product.cuh"
#include "common/ptx.cuh"

namespace attention {

constexpr int max_moe_warps = 8;
constexpr int moe_lines = 16;       // of the weights, per block
constexpr int moe_stream_step = 64;  // of the depth, per warp and step

/// Each warp's partial sums per row and line.
template <int Rows>
using MoePartialSums = float[max_moe_warps][Rows][moe_lines + 1];

template <bool Gated>
constexpr int moe_block_columns = Gated ? moe_lines / 2 : moe_lines;

/// Adds the warps' partial sums, applies the epilogue and stores the results. If gated, the first half of the lines are
/// gates, the second ups.
template <bool Gated, int Rows, typename T>
__device__ __forceinline__ void store_moe_rows(const MoeOperands<T>& operands, const MoeRows& rows, int first_column,
                                               const MoePartialSums<Rows>& partial_sums) {
  constexpr int columns = moe_block_columns<Gated>;
  const int warps = rows.expert >= 0 ? blockDim.x / warp_size : 0;
  for (int i = threadIdx.x; i < rows.count * columns; i += blockDim.x) {
    const int row = i / columns;
    const int line = i % columns;
    const unsigned pair = operands.pair_at(rows.position(row));
    if (first_column + line >= operands.width || pair >= unsigned(operands.pairs)) continue;
    float sum = 0.0f;
    float up = 0.0f;
    for (int warp = 0; warp < warps; warp++) {
      sum += partial_sums[warp][row][line];
      if (Gated) up += partial_sums[warp][row][line + columns];
    }
    if (Gated) {
      sum = operands.gate_up(sum, up);
    } else {
      sum = rows.expert >= 0 ? sum * operands.factor_of(pair) : __builtin_nanf("");
    }
    operands.store(pair, first_column + line, sum);
  }
}

/// Line i of a block, i < 16. Lines beyond the last repeat it: their sums are not stored.
template <bool Gated, typename T>
__device__ __forceinline__ const T* moe_line(const MoeOperands<T>& operands, int expert, int first_column, int i) {
  constexpr int columns = moe_block_columns<Gated>;
  const int column = min(first_column + i % columns, operands.width - 1);
  return Gated && i >= columns ? operands.up_line(expert, column) : operands.template gate_line<Gated>(expert, column);
}

constexpr int moe_stream_rows = 8;

/// On tensor cores; everything is aligned. Each lane loads 16 contiguous bytes of a line and uses them directly as its
/// fragments: this permutes the depth, but in both operands alike, so the sums are right.
template <typename T, bool Gated>
__global__ void __launch_bounds__(max_moe_warps* warp_size, 3) moe_stream_kernel(const MoeOperands<T> operands) {
  constexpr int stages = 2;
  __shared__ MoePartialSums<moe_stream_rows> partial_sums;
  const MoeRows rows = find_moe_rows(operands, blockIdx.y, moe_stream_rows);
  if (rows.count == 0 || (Gated && rows.expert < 0)) return;
  const int first_column = blockIdx.x * moe_block_columns<Gated>;
  if (rows.expert >= 0) {
    const int lane = threadIdx.x % warp_size;
    const int warp = threadIdx.x / warp_size;
    const int warps = blockDim.x / warp_size;
    const int group = lane / 4;
    const int offset = lane % 4 * 8;
    const int depth = operands.depth;
    const T* low = moe_line<Gated>(operands, rows.expert, first_column, group) + offset;
    const T* high = moe_line<Gated>(operands, rows.expert, first_column, group + 8) + offset;

    uint4 weights[stages][2][2];
    uint4 inputs[stages][2];
    const auto fetch_weights = [&](int stage, int step) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int k = step * moe_stream_step + half * 32;
        const bool valid = k + offset < depth;
        weights[stage][half][0] = load_once(low + k, valid);
        weights[stage][half][1] = load_once(high + k, valid);
      }
    };
#pragma unroll
    for (int stage = 0; stage < stages; stage++) fetch_weights(stage, warp + stage * warps);

    // Rows beyond the last repeat it.
    const unsigned pair = operands.pair_at(rows.position(min(group, rows.count - 1)));
    const T* row = operands.row_of(min(pair, unsigned(operands.pairs - 1))) + offset;
    const auto fetch_inputs = [&](int stage, int step) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int k = step * moe_stream_step + half * 32;
        inputs[stage][half] = k + offset < depth ? *reinterpret_cast<const uint4*>(row + k) : uint4{0, 0, 0, 0};
      }
    };
#pragma unroll
    for (int stage = 0; stage < stages; stage++) fetch_inputs(stage, warp + stage * warps);

    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const int steps = (depth + moe_stream_step - 1) / moe_stream_step;
    for (int first = warp; first < steps; first += stages * warps) {
#pragma unroll
      for (int stage = 0; stage < stages; stage++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const uint4 a = weights[stage][half][0];
          const uint4 b = weights[stage][half][1];
          const uint4 x = inputs[stage][half];
          multiply_matrices<T>(sums, {a.x, b.x, a.y, b.y}, {x.x, x.y});
          multiply_matrices<T>(sums, {a.z, b.z, a.w, b.w}, {x.z, x.w});
        }
        const int next = first + (stage + stages) * warps;  // beyond the end: zeros
        fetch_weights(stage, next);
        fetch_inputs(stage, next);
      }
    }
#pragma unroll
    for (int n = 0; n < 4; n++) partial_sums[warp][lane % 4 * 2 + n % 2][group + n / 2 * 8] = sums[n];
  }
  __syncthreads();
  store_moe_rows<Gated, moe_stream_rows>(operands, rows, first_column, partial_sums);
}

constexpr int moe_dot_rows = 4;

/// In true float32: lanes along the depth, N elements per load, everything aligned.
template <typename T, bool Gated>
__global__ void __launch_bounds__(max_moe_warps* warp_size) moe_dots_kernel(const MoeOperands<T> operands) {
  constexpr int N = pack_size<T>;
  constexpr int lines_at_a_time = 8;
  __shared__ MoePartialSums<moe_dot_rows> partial_sums;
  const MoeRows rows = find_moe_rows(operands, blockIdx.y, moe_dot_rows);
  if (rows.count == 0 || (Gated && rows.expert < 0)) return;
  const int first_column = blockIdx.x * moe_block_columns<Gated>;
  if (rows.expert >= 0) {
    const int lane = threadIdx.x % warp_size;
    const int warp = threadIdx.x / warp_size;
    const T* inputs[moe_dot_rows];
#pragma unroll
    for (int i = 0; i < moe_dot_rows; i++) {
      const unsigned pair = operands.pair_at(rows.position(min(i, rows.count - 1)));
      inputs[i] = operands.row_of(min(pair, unsigned(operands.pairs - 1)));
    }
#pragma unroll 1
    for (int first_line = 0; first_line < moe_lines; first_line += lines_at_a_time) {
      const T* lines[lines_at_a_time];
#pragma unroll
      for (int j = 0; j < lines_at_a_time; j++) {
        lines[j] = moe_line<Gated>(operands, rows.expert, first_column, first_line + j);
      }
      float sums[moe_dot_rows][lines_at_a_time] = {};
      for (int k = threadIdx.x * N; k < operands.depth; k += blockDim.x * N) {
        float weights[lines_at_a_time][N];
#pragma unroll
        for (int j = 0; j < lines_at_a_time; j++) load_pack<N>(weights[j], lines[j] + k);
#pragma unroll
        for (int i = 0; i < moe_dot_rows; i++) {
          float x[N];
          load_pack<N>(x, inputs[i] + k);
#pragma unroll
          for (int j = 0; j < lines_at_a_time; j++) {
#pragma unroll
            for (int n = 0; n < N; n++) sums[i][j] = fmaf(x[n], weights[j][n], sums[i][j]);
          }
        }
      }
#pragma unroll
      for (int i = 0; i < moe_dot_rows; i++) {
#pragma unroll
        for (int j = 0; j < lines_at_a_time; j++) {
          const float sum = warp_sum(sums[i][j]);
          if (lane == 0) partial_sums[warp][i][first_line + j] = sum;
        }
      }
    }
  }
  __syncthreads();
  store_moe_rows<Gated, moe_dot_rows>(operands, rows, first_column, partial_sums);
}

}  // namespace attention
