#pragma once
// Bitonic sorts of distinct keys: 2^n of them, in shared or global memory.

#include <cstdint>

namespace attention {

/// Orders pair number `pair` of a step: of keys `stride` apart, in runs of `size` that alternate between up and down.
/// `first` is the position of keys[0] among all that are sorted.
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

/// The steps of runs of `size` with strides from `stride` down, by a block, of `count` keys in shared memory.
__device__ __forceinline__ void merge_runs(uint64_t* keys, int64_t first, int count, int64_t size, int stride) {
  for (; stride > 0; stride /= 2) {
    for (int pair = threadIdx.x; pair < count / 2; pair += blockDim.x) {
      order_pair(keys, first, pair, size, stride);
    }
    __syncthreads();
  }
}

/// Sorts `count` keys in shared memory by a block, up where bit `count` of `first` is 0. A barrier precedes it.
__device__ __forceinline__ void sort_block(uint64_t* keys, int64_t first, int count) {
  for (int size = 2; size <= count; size *= 2) merge_runs(keys, first, count, size, size / 2);
}

}  // namespace attention
