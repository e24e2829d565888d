#pragma once
// Sums and maxima over the lanes of a warp and the warps of a block.

#include <cuda_runtime.h>

namespace attention {

constexpr int warp_size = 32;
constexpr unsigned all_lanes = 0xffffffffu;

template <int Lanes = warp_size>
__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int step = Lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}

template <int Lanes = warp_size>
__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int step = Lanes / 2; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(all_lanes, value, step));
  return value;
}

/// Reduces the values of all threads of a block with `combine_warp`, which reduces those of a warp, and returns the
/// result to every thread. `partial` is shared memory for one float per warp. The block is one-dimensional, its size a
/// multiple of 32.
template <typename CombineWarp>
__device__ __forceinline__ float block_combine(float value, float* partial, float neutral, CombineWarp combine_warp) {
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int warps = blockDim.x / warp_size;
  value = combine_warp(value);
  if (warps == 1) return value;
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  return combine_warp(lane < warps ? partial[lane] : neutral);
}

__device__ __forceinline__ float block_sum(float value, float* partial_sums) {
  return block_combine(value, partial_sums, 0.0f, [](float own) { return warp_sum(own); });
}

/// Ignores NaN.
__device__ __forceinline__ float block_max(float value, float* partial_maxima) {
  return block_combine(value, partial_maxima, -INFINITY, [](float own) { return warp_max(own); });
}

}  // namespace attention
