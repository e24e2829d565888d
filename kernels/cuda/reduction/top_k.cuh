#pragma once
// The k largest elements of a row: a radix search for the k-th, then a sort of what is not below it. A block a row.

#include "reduction/bitonic_sort.cuh"
#include "common/block_reduce.cuh"
#include "reduction/order.cuh"
#include "common/shared_memory.cuh"

namespace attention {

constexpr int radix_bits = 8;
constexpr int radix_size = 1 << radix_bits;

/// The leading bits of the k-th highest place, as far as needed to tell the k apart from the others.
struct Threshold {
  uint64_t mask;
  uint64_t bits;

  __device__ __forceinline__ bool admits(uint64_t place) const { return (place & mask) >= bits; }
};

__device__ __forceinline__ uint64_t load_place(const void* x, ElementType type, int64_t base, int64_t index) {
  return place_of(load_order(x, type, base + index), uint32_t(index));
}

/// The digit of the one that is `remaining`-th from the highest, by the first warp: digits and their counts come to
/// `found`: the digit, how many remain within it, and whether it has no others.
__device__ __forceinline__ void find_digit(const int* counts, int remaining, int* found) {
  constexpr int digits = radix_size / warp_size;  // of a lane, from the highest down
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
      const uint64_t place = load_place(x, type, base, i);
      if ((place & threshold.mask) == threshold.bits) atomicAdd(&counts[(place >> shift) & (radix_size - 1)], 1);
    }
    __syncthreads();
    if (threadIdx.x < warp_size) find_digit(counts, remaining, found);
    __syncthreads();
    threshold.mask |= uint64_t(radix_size - 1) << shift;
    threshold.bits |= uint64_t(found[0]) << shift;
    remaining = found[1];
    const bool is_done = found[2] != 0;
    __syncthreads();  // before the next pass overwrites what was found
    if (is_done) break;
  }
  return threshold;
}

/// `capacity` is a power of two, at least k.
__global__ void __launch_bounds__(1024)
    top_k_kernel(const void* x, ElementType type, void* values, int* indices, int64_t length, int k, int capacity) {
  __shared__ int admitted;
  uint64_t* places = shared_memory<uint64_t>();
  const int64_t base = blockIdx.x * length;
  if (threadIdx.x == 0) admitted = 0;
  for (int i = threadIdx.x; i < capacity; i += blockDim.x) places[i] = ~uint64_t(0);
  __syncthreads();
  Threshold threshold{0, 0};
  if (length > capacity) threshold = find_threshold(x, type, base, length, k);
  // In any order: the sort, upwards of complements, makes it one. The padding comes last.
  for (int64_t i = threadIdx.x; i < length; i += blockDim.x) {
    const uint64_t place = load_place(x, type, base, i);
    if (threshold.admits(place)) places[atomicAdd(&admitted, 1)] = ~place;
  }
  __syncthreads();
  sort_block(places, 0, capacity);
  for (int i = threadIdx.x; i < k; i += blockDim.x) {
    const uint32_t position = position_of(~places[i]);
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
