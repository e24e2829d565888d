// Bitonic sort of 2^n distinct keys, in threadgroup or device memory.
#pragma once
#include <metal_stdlib>

using namespace metal;

// Orders one pair of a step: keys `stride` apart, in runs of `size` that alternate between ascending and descending.
// `first` is the position of keys[0] among all sorted keys.
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

// Runs the steps for runs of `size` with strides from `stride` down, on `count` keys, by one threadgroup.
inline void merge_runs(threadgroup ulong* keys, uint first, uint count, uint size, uint stride, uint thread_index,
                       uint threads) {
  for (; stride > 0; stride /= 2) {
    for (uint pair = thread_index; pair < count / 2; pair += threads) order_pair(keys, first, pair, size, stride);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

// Sorts `count` keys by one threadgroup, ascending if `first & count` is 0. The keys must have been written before a
// barrier.
inline void sort_keys(threadgroup ulong* keys, uint first, uint count, uint thread_index, uint threads) {
  for (uint size = 2; size <= count; size *= 2) {
    merge_runs(keys, first, count, size, size / 2, thread_index, threads);
  }
}
