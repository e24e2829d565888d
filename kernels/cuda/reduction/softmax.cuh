#pragma once
// Softmax of rows, in float32. A row that contains NaN or whose maximum is infinite becomes NaN.

#include "common/block_reduce.cuh"
#include "common/element.cuh"

namespace attention {

/// The running state of a softmax: a maximum, and the sum of exp(x - maximum).
struct SoftmaxState {
  float maximum;
  float sum;

  __device__ __forceinline__ void merge(float other_maximum, float other_sum) {
    const float highest = fmaxf(maximum, other_maximum);
    sum = rescale(sum, maximum, highest) + rescale(other_sum, other_maximum, highest);
    maximum = highest;
  }

 private:
  // If both are the same infinity, their difference would be NaN.
  static __device__ __forceinline__ float rescale(float sum, float from, float to) {
    return from == to ? sum : sum * expf(from - to);
  }
};

/// Turns the elements of a row into its softmax.
struct SoftmaxScale {
  float maximum;
  float inverse;

  __device__ __forceinline__ explicit SoftmaxScale(const SoftmaxState& state)
      : maximum(state.maximum), inverse(isinf(state.maximum) ? NAN : 1.0f / state.sum) {}

  template <int N>
  __device__ __forceinline__ void apply(float (&values)[N]) const {
#pragma unroll
    for (int i = 0; i < N; i++) values[i] = expf(values[i] - maximum) * inverse;
  }
};

template <int N>
__device__ __forceinline__ float pack_maximum(const float (&values)[N]) {
  float maximum = values[0];
#pragma unroll
  for (int i = 1; i < N; i++) maximum = fmaxf(maximum, values[i]);
  return maximum;
}

/// For rows that fit in registers: each thread holds `Packs` packs of N elements. blockDim.x threads share a row; a
/// block has several rows only if one warp suffices for a row.
template <int N, int Packs>
__global__ void __launch_bounds__(1024)
    softmax_rows_kernel(const void* x, ElementType x_type, void* output, ElementType output_type, int64_t rows,
                        int length) {
  __shared__ float warp_maxima[warp_size];
  __shared__ float warp_sums[warp_size];
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int64_t start = row * length;
  PendingElements<float, N> pending[Packs];
  float values[Packs][N];
  SoftmaxState state{-INFINITY, 0.0f};
#pragma unroll
  for (int pack = 0; pack < Packs; pack++) {
    const int column = (pack * blockDim.x + threadIdx.x) * N;
    if (column >= length) break;
    pending[pack].begin(x, x_type, start + column);
  }
#pragma unroll
  for (int pack = 0; pack < Packs; pack++) {
    const int column = (pack * blockDim.x + threadIdx.x) * N;
    if (column >= length) break;
    pending[pack].finish(values[pack], x_type);
    state.maximum = fmaxf(state.maximum, pack_maximum(values[pack]));  // ignores NaN, which then shows in the sum
  }
  state.maximum = block_max(state.maximum, warp_maxima);
#pragma unroll
  for (int pack = 0; pack < Packs; pack++) {
    const int column = (pack * blockDim.x + threadIdx.x) * N;
    if (column >= length) break;
#pragma unroll
    for (int i = 0; i < N; i++) state.sum += expf(values[pack][i] - state.maximum);
  }
  state.sum = block_sum(state.sum, warp_sums);
  const SoftmaxScale scale(state);
#pragma unroll
  for (int pack = 0; pack < Packs; pack++) {
    const int column = (pack * blockDim.x + threadIdx.x) * N;
    if (column >= length) break;
    scale.apply(values[pack]);
    store_elements(output, output_type, start + column, values[pack]);
  }
}

/// Longer rows are read twice, in parts of `part` elements, a multiple of N. This first kernel computes the state of
/// each part, [rows, gridDim.y].
template <int N>
__global__ void __launch_bounds__(512) softmax_parts_kernel(const void* x, ElementType type, SoftmaxState* states,
                                                            int64_t length, int64_t part) {
  __shared__ float warp_maxima[warp_size];
  __shared__ float warp_sums[warp_size];
  const int64_t start = blockIdx.x * length;
  const int64_t first = blockIdx.y * part;
  const int64_t last = min(first + part, length);
  SoftmaxState state{-INFINITY, 0.0f};
  for (int64_t column = first + threadIdx.x * N; column < last; column += blockDim.x * N) {
    float values[N];
    load_elements(values, x, type, start + column);
    const float maximum = pack_maximum(values);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < N; i++) sum += values[i] == maximum ? 1.0f : expf(values[i] - maximum);
    state.merge(maximum, sum);
  }
  const float maximum = block_max(state.maximum, warp_maxima);
  SoftmaxState whole{maximum, 0.0f};
  whole.merge(state.maximum, state.sum);
  whole.sum = block_sum(whole.sum, warp_sums);
  if (threadIdx.x == 0) states[int64_t(blockIdx.x) * gridDim.y + blockIdx.y] = whole;
}

/// The second kernel merges the states of a row's parts and writes the softmax.
template <int N>
__global__ void __launch_bounds__(512)
    softmax_scale_kernel(const void* x, ElementType x_type, void* output, ElementType output_type,
                         const SoftmaxState* states, int64_t length, int64_t part) {
  SoftmaxState state{-INFINITY, 0.0f};
  for (unsigned i = 0; i < gridDim.y; i++) {
    const SoftmaxState other = states[int64_t(blockIdx.x) * gridDim.y + i];
    state.merge(other.maximum, other.sum);
  }
  const SoftmaxScale scale(state);
  const int64_t start = blockIdx.x * length;
  const int64_t first = blockIdx.y * part;
  const int64_t last = min(first + part, length);
  for (int64_t column = first + threadIdx.x * N; column < last; column += blockDim.x * N) {
    float values[N];
    load_elements(values, x, x_type, start + column);
    scale.apply(values);
    store_elements(output, output_type, start + column, values);
  }
}

}  // namespace attention
