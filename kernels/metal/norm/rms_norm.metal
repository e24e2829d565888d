// Adds the residual, if there is one, and applies root-mean-square normalization. Each threadgroup normalizes one row.
#include "common/pack.h"

constant bool has_residual [[function_constant(0)]];
constant bool vectorized [[function_constant(1)]];  // the width is a multiple of 8

struct RmsNormParams {
  uint width;
  float epsilon;
  float weight_offset;
};

/// Adds the residual to the thread's elements and stores the sums. Returns the sum of their squares.
template <int N, typename T>
inline float add_and_square(device const T* x, device const T* residual, device T* residual_sum, uint width,
                            uint first, uint stride) {
  float squares = 0.0f;
  for (uint i = first * N; i < width; i += stride * N) {
    float elements[N];
    load_pack<N>(elements, x + i);
    if (has_residual) {
      float residuals[N];
      T sums[N];
      load_pack<N>(residuals, residual + i);
      for (int j = 0; j < N; j++) sums[j] = to_storage<T>(elements[j] + residuals[j]);
      store_pack<N>(residual_sum + i, sums);
      for (int j = 0; j < N; j++) elements[j] = float(sums[j]);  // normalize the rounded sum
    }
    for (int j = 0; j < N; j++) squares += elements[j] * elements[j];
  }
  return squares;
}

/// Scales the thread's elements.
template <int N, typename T, typename W>
inline void scale_row(device T* normed, device const T* x, device const W* weight, float scale, float weight_offset,
                      uint width, uint first, uint stride) {
  for (uint i = first * N; i < width; i += stride * N) {
    float elements[N];
    float weights[N];
    load_pack<N>(elements, x + i);
    load_pack<N>(weights, weight + i);
    for (int j = 0; j < N; j++) elements[j] = elements[j] * scale * (weights[j] + weight_offset);
    store_pack<N>(normed + i, elements);
  }
}

template <typename T, typename W>
[[kernel]] void rms_norm(device const T* x [[buffer(0)]],
                         device const W* weight [[buffer(1)]],
                         device const T* residual [[buffer(2)]],
                         device T* normed [[buffer(3)]],
                         device T* residual_sum [[buffer(4)]],
                         constant RmsNormParams& params [[buffer(5)]],
                         uint row [[threadgroup_position_in_grid]],
                         uint thread_index [[thread_position_in_threadgroup]],
                         uint num_threads [[threads_per_threadgroup]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]],
                         uint num_simdgroups [[simdgroups_per_threadgroup]],
                         uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float partial_sums[32];
  const uint width = params.width;
  const ulong start = ulong(row) * width;
  device const T* x_row = x + start;
  device const T* residual_row = has_residual ? residual + start : residual;
  device T* sum_row = has_residual ? residual_sum + start : residual_sum;

  const float squares =
      vectorized ? add_and_square<8>(x_row, residual_row, sum_row, width, thread_index, num_threads)
                 : add_and_square<1>(x_row, residual_row, sum_row, width, thread_index, num_threads);
  float total = simd_sum(squares);
  if (num_simdgroups > 1) {
    if (lane == 0) partial_sums[simdgroup] = total;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    total = simd_sum(lane < num_simdgroups ? partial_sums[lane] : 0.0f);
  }
  const float scale = precise::rsqrt(total / float(width) + params.epsilon);

  device const T* summands = has_residual ? sum_row : x_row;  // no barrier: each thread reads what it stored itself
  if (vectorized) {
    scale_row<8>(normed + start, summands, weight, scale, params.weight_offset, width, thread_index, num_threads);
  } else {
    scale_row<1>(normed + start, summands, weight, scale, params.weight_offset, width, thread_index, num_threads);
  }
}

#define instantiate_rms_norm(type, weight_type)                                                               \
  template [[host_name("rms_norm_" #type "_" #weight_type)]] [[kernel]] void rms_norm<type, weight_type>(     \
      device const type*, device const weight_type*, device const type*, device type*, device type*,          \
      constant RmsNormParams&, uint, uint, uint, uint, uint, uint);

instantiate_rms_norm(float, float)
instantiate_rms_norm(half, half)
instantiate_rms_norm(half, float)
instantiate_rms_norm(bfloat, bfloat)
instantiate_rms_norm(bfloat, float)
