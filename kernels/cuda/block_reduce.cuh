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

/// The sum of every thread's value, to all threads. `partial_sums` is shared memory of one float a warp; threads are
/// blockDim.x, a multiple of 32, in one dimension.
__device__ __forceinline__ float block_sum(float value, float* partial_sums) {
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int warps = blockDim.x / warp_size;
  value = warp_sum(value);
  if (warps == 1) return value;
  if (lane == 0) partial_sums[warp] = value;
  __syncthreads();
  return warp_sum(lane < warps ? partial_sums[lane] : 0.0f);
}

/// Likewise the maximum; NaN is left out.
__device__ __forceinline__ float block_max(float value, float* partial_maxima) {
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int warps = blockDim.x / warp_size;
  value = warp_max(value);
  if (warps == 1) return value;
  if (lane == 0) partial_maxima[warp] = value;
  __syncthreads();
  return warp_max(lane < warps ? partial_maxima[lane] : -INFINITY);
}

}  // namespace attention
