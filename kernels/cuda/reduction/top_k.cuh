#pragma once
// Finds the k largest elements of a row, one block per row. A radix search on the elements' keys (order.cuh) finds the
// threshold, digit by digit from the top: a histogram of the digit in shared memory tells which digit the k-th greatest
// key has. The keys from the threshold up are then sorted in shared memory.

#include "reduction/bitonic_sort.cuh"
#include "common/block_reduce.cuh"
#include "reduction/order.cuh"
#include "common/shared_memory.cuh"

namespace attention {

constexpr int radix_bits = 8;
constexpr int radix_size = 1 << radix_bits;

/// The leading bits of the k-th greatest key, as many as are needed to separate the k from the rest.
struct Threshold {
  uint64_t mask;
  uint64_t bits;

  __device__ __forceinline__ bool admits(uint64_t key) const { return (key & mask) >= bits; }
};

__device__ __forceinline__ uint64_t load_key(const void* x, ElementType type, int64_t base, int64_t index) {
  return key_of(load_order(x, type, base + index), uint32_t(index));
}

/// Finds the digit of the `remaining`-th greatest key from the histogram `counts`. The first warp calls it. `found`
/// receives the digit, how many keys remain within it, and whether it holds no others.
__device__ __forceinline__ void find_digit(const int* counts, int remaining, int* found) {
  constexpr int digits = radix_size / warp_size;  // per lane, from the highest down
  const int highest = radix_size - 1 - int(threadIdx.x) * digits;
  int sum = 0;
#pragma unroll
  for (int i = 0; i < digits; i++) sum += counts[highest - i];
  int above = sum;
#pragma unroll
  for (int lanes = 1; lanes < warp_size; lanes *= 2) {
    const int higher_lanes = __shfl_up_sync(all_lanes, above, lanes);
    if (int(threadIdx.x) >= lanes) above += higher_lanes;
  }
  above -= sum;
  if (above >= remaining || above + sum < remaining) return;
  int digit = highest;
  while (above + counts[digit] < remaining) above += counts[digit--];
  found[0] = digit;
  found[1] = remaining - above;
  found[2] = counts[digit] == remaining - above;
}

__device__ __forceinline__ Threshold find_threshold(const void* x, ElementType type, int64_t base, int64_t length,
                                                    int k) {
  __shared__ int counts[radix_size];
  __shared__ int found[3];
  Threshold threshold{0, 0};
  int remaining = k;
  for (int shift = 64 - radix_bits; shift >= 0; shift -= radix_bits) {
    for (int i = threadIdx.x; i < radix_size; i += blockDim.x) counts[i] = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < length; i += blockDim.x) {
      const uint64_t key = load_key(x, type, base, i);
      if ((key & threshold.mask) == threshold.bits) atomicAdd(&counts[(key >> shift) & (radix_size - 1)], 1);
    }
    __syncthreads();
    if (threadIdx.x < warp_size) find_digit(counts, remaining, found);
    __syncthreads();
    threshold.mask |= uint64_t(radix_size - 1) << shift;
    threshold.bits |= uint64_t(found[0]) << shift;
    remaining = found[1];
    const bool is_done = found[2] != 0;
    __syncthreads();  // the next pass overwrites `found`
    if (is_done) break;
  }
  return threshold;
}

/// `capacity`, the number of keys in shared memory, is a power of two and at least k.
__global__ void __launch_bounds__(1024)
    top_k_kernel(const void* x, ElementType type, void* values, int* indices, int64_t length, int k, int capacity) {
  __shared__ int admitted;
  uint64_t* keys = shared_memory<uint64_t>();
  const int64_t base = blockIdx.x * length;
  if (threadIdx.x == 0) admitted = 0;
  for (int i = threadIdx.x; i < capacity; i += blockDim.x) keys[i] = ~uint64_t(0);
  __syncthreads();
  Threshold threshold{0, 0};
  if (length > capacity) threshold = find_threshold(x, type, base, length, k);
  // The order of this collection does not matter: the keys are distinct, and the sort, ascending on complements,
  // determines it. The padding comes last.
  for (int64_t i = threadIdx.x; i < length; i += blockDim.x) {
    const uint64_t key = load_key(x, type, base, i);
    if (threshold.admits(key)) keys[atomicAdd(&admitted, 1)] = ~key;
  }
  __syncthreads();
  sort_block(keys, 0, capacity);
  for (int i = threadIdx.x; i < k; i += blockDim.x) {
    const uint32_t position = position_of(~keys[i]);
    const int64_t to = int64_t(blockIdx.x) * k + i;
    indices[to] = int(position);
    if (has_floats(type)) {
      store_element(values, type, to, load_element<float>(x, type, base + position));
    } else {
      store_element(values, type, to, load_element<int>(x, type, base + position));
    }
  }
}

}  // namespace attention
