// Bitonic sorts of distinct keys: 2^n of them, in threadgroup or device memory.
#pragma once
#include <metal_stdlib>

using namespace metal;

// Orders pair number `pair` of a step: of keys `stride` apart, in runs of `size` that alternate between up and down.
// `first` is the position of keys[0] among all that are sorted.
template <typename Keys>
inline void order_pair(Keys keys, uint first, uint pair, uint size, uint stride) {
  const uint low = pair / stride * (2 * stride) + pair % stride;
  const ulong a = keys[low];
  const ulong b = keys[low + stride];
  const bool upwards = ((first + low) & size) == 0;
  if ((a > b) == upwards) {
    keys[low] = b;
    keys[low + stride] = a;
  }
}

// The steps of runs of `size` with strides from `stride` down, by a threadgroup, of `count` keys.
inline void merge_runs(threadgroup ulong* keys, uint first, uint count, uint size, uint stride, uint thread_index,
                       uint threads) {
  for (; stride > 0; stride /= 2) {
    for (uint pair = thread_index; pair < count / 2; pair += threads) order_pair(keys, first, pair, size, stride);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

// Sorts `count` keys by a threadgroup, up where bit `count` of `first` is 0. A barrier precedes it.
inline void sort_keys(threadgroup ulong* keys, uint first, uint count, uint thread_index, uint threads) {
  for (uint size = 2; size <= count; size *= 2) {
    merge_runs(keys, first, count, size, size / 2, thread_index, threads);
  }
}
