#pragma once
// Merges attention over disjoint parts of the keys: each part's output is weighted by exp of its log-sum-exp. One warp
// per row; parts are added in order.

#include "attention/attention_rows.cuh"
#include "common/block_reduce.cuh"
#include "common/convert.cuh"

namespace attention {

/// The softmax over the log-sum-exps of a row's parts. Part i has the weight exp(lse_i - maximum) / denominator.
struct MergedLse {
  float maximum;
  float denominator;  // 0: no part has a key
};

__device__ __forceinline__ MergedLse merge_lses(const float* lses, int parts, int64_t stride, const float* sink) {
  float maximum = -infinity;
  bool is_nan = false;
  for (int part = 0; part < parts; part++) {
    const float lse = lses[part * stride];
    is_nan = is_nan || lse != lse;
    maximum = fmaxf(maximum, lse);  // ignores NaN
  }
  if (is_nan) return {nan_value(), nan_value()};
  if (maximum == -infinity) return {maximum, 0.0f};
  if (sink) maximum = fmaxf(maximum, *sink);
  float denominator = sink ? expf(*sink - maximum) : 0.0f;
  for (int part = 0; part < parts; part++) denominator += expf(lses[part * stride] - maximum);
  return {maximum, denominator};
}

/// N elements per lane and iteration. blockDim is (32, rows per block). `sinks` and `lse` may be null.
template <int N, typename From, typename To>
__global__ void merge_attention_states_kernel(const From* __restrict__ outputs, const float* __restrict__ lses,
                                              const float* __restrict__ sinks, To* __restrict__ output,
                                              float* __restrict__ lse, int parts, int64_t rows, int heads,
                                              int head_size) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const MergedLse merged = merge_lses(lses + row, parts, rows, sinks ? sinks + row % heads : nullptr);
  const bool is_empty = merged.denominator == 0.0f;
  if (lse && threadIdx.x == 0) lse[row] = is_empty ? -infinity : merged.maximum + logf(merged.denominator);

  for (int d = threadIdx.x * N; d < head_size; d += warp_size * N) {
    float sums[N] = {};
    for (int part = 0; part < parts && !is_empty; part++) {
      const float weight = expf(lses[part * rows + row] - merged.maximum);
      if (weight == 0.0f) continue;  // the output of an empty part may hold anything
      float elements[N];
      load_pack<N>(elements, outputs + (part * rows + row) * head_size + d);
#pragma unroll
      for (int i = 0; i < N; i++) sums[i] += weight * elements[i];
    }
#pragma unroll
    for (int i = 0; i < N; i++) sums[i] = is_empty ? 0.0f : sums[i] / merged.denominator;
    store_pack<N>(output + row * head_size + d, sums);
  }
}

}  // namespace attention
