#pragma once
// Root-mean-square norm of rows: y = x / sqrt(mean(x²) + epsilon) * weight, after adding the residual. Threads along x
// share a row; a block has blockDim.y rows. The sum of squares is reduced through warp shuffles, then through shared
// memory.

#include "common/block_reduce.cuh"
#include "common/convert.cuh"

namespace attention {

/// For rows that fit in registers: each thread holds `Packs` packs of N elements, blockDim.x * N * Packs >= width.
/// Without a residual, `residual` and `residual_sum` are null. A block has several rows only if one warp suffices for a
/// row.
template <int N, int Packs, typename T, typename W>
__global__ void rms_norm_kernel(const T* __restrict__ x, const W* __restrict__ weight, const T* __restrict__ residual,
                                T* __restrict__ normed, T* __restrict__ residual_sum, int64_t rows, int width,
                                float epsilon, float weight_offset) {
  __shared__ float partial_sums[warp_size];
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int64_t start = row * width;
  float elements[Packs][N];
  float squares = 0.0f;
#pragma unroll
  for (int pack = 0; pack < Packs; pack++) {
    const int column = (pack * blockDim.x + threadIdx.x) * N;
    if (column >= width) break;
    load_pack<N>(elements[pack], x + start + column);
    if (residual) {
      float residuals[N];
      load_pack<N>(residuals, residual + start + column);
#pragma unroll
      for (int i = 0; i < N; i++) {
        // The norm is that of the rounded sum.
        elements[pack][i] = to_float(from_float<T>(elements[pack][i] + residuals[i]));
      }
      store_pack<N>(residual_sum + start + column, elements[pack]);
    }
#pragma unroll
    for (int i = 0; i < N; i++) squares += elements[pack][i] * elements[pack][i];
  }
  const float scale = rsqrtf(block_sum(squares, partial_sums) / float(width) + epsilon);
#pragma unroll
  for (int pack = 0; pack < Packs; pack++) {
    const int column = (pack * blockDim.x + threadIdx.x) * N;
    if (column >= width) break;
    float weights[N];
    load_pack<N>(weights, weight + column);
#pragma unroll
    for (int i = 0; i < N; i++) elements[pack][i] *= scale * (weights[i] + weight_offset);
    store_pack<N>(normed + start + column, elements[pack]);
  }
}

/// For rows that do not fit in registers: reads them twice. blockDim.y is 1.
template <typename T, typename W>
__global__ void rms_norm_wide_kernel(const T* x, const W* weight, const T* residual, T* normed, T* residual_sum,
                                     int width, float epsilon, float weight_offset) {
  __shared__ float partial_sums[warp_size];
  const int64_t start = int64_t(blockIdx.x) * width;
  float squares = 0.0f;
  for (int column = threadIdx.x; column < width; column += blockDim.x) {
    float element = to_float(x[start + column]);
    if (residual) {
      const T sum = from_float<T>(element + to_float(residual[start + column]));
      residual_sum[start + column] = sum;
      element = to_float(sum);
    }
    squares += element * element;
  }
  const float scale = rsqrtf(block_sum(squares, partial_sums) / float(width) + epsilon);
  const T* summands = residual ? residual_sum : x;  // each thread reads back its own stores
  for (int column = threadIdx.x; column < width; column += blockDim.x) {
    const float weighted = scale * (to_float(weight[column]) + weight_offset);
    normed[start + column] = from_float<T>(to_float(summands[start + column]) * weighted);
  }
}

}  // namespace attention
