#pragma once
// Bitonic sort of 2^n distinct keys, in shared or global memory. A bitonic sort is a fixed network of compare-exchange
// steps, so all threads run without divergence: runs of length `size`, alternately ascending and descending, are merged
// into runs of twice that length.

#include <cstdint>

namespace attention {

/// Compares and exchanges pair number `pair` of a step: two keys `stride` apart, in a run of `size` keys. `first` is
/// the position of keys[0] among all sorted keys; it determines the direction.
__device__ __forceinline__ void order_pair(uint64_t* keys, int64_t first, int64_t pair, int64_t size, int64_t stride) {
  const int64_t low = pair / stride * (2 * stride) + pair % stride;
  const uint64_t a = keys[low];
  const uint64_t b = keys[low + stride];
  const bool upwards = ((first + low) & size) == 0;
  if ((a > b) == upwards) {
    keys[low] = b;
    keys[low + stride] = a;
  }
}

/// Runs the steps of runs of `size` with strides from `stride` down to 1, on `count` keys in shared memory. Called by a
/// whole block.
__device__ __forceinline__ void merge_runs(uint64_t* keys, int64_t first, int count, int64_t size, int stride) {
  for (; stride > 0; stride /= 2) {
    for (int pair = threadIdx.x; pair < count / 2; pair += blockDim.x) {
      order_pair(keys, first, pair, size, stride);
    }
    __syncthreads();
  }
}

/// Sorts `count` keys in shared memory, ascending if bit `count` of `first` is 0. Called by a whole block, after a
/// barrier.
__device__ __forceinline__ void sort_block(uint64_t* keys, int64_t first, int count) {
  for (int size = 2; size <= count; size *= 2) merge_runs(keys, first, count, size, size / 2);
}

}  // namespace attention
