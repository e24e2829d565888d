#pragma once
// Running sums or products along rows (a scan). blockDim.x threads share a row and process it tile by tile: each thread
// combines its own elements, a scan over the threads gives what precedes them, and the total is carried to the next
// tile. A block has several rows only if one warp suffices for a row.

#include "elementwise/binary_functions.cuh"
#include "common/block_reduce.cuh"
#include "common/element.cuh"

namespace attention {

constexpr int cumulate_elements = 4;  // adjacent elements per thread and tile

template <typename Value>
struct Accumulation {
  bool product;

  __device__ __forceinline__ Value neutral() const { return Value(product ? 1 : 0); }
  __device__ __forceinline__ Value operator()(Value a, Value b) const { return product ? multiply(a, b) : add(a, b); }
};

/// The combination of all values before a thread's own, and that of all threads.
template <typename Value>
struct Prefix {
  Value before;
  Value all;
};

template <typename Value>
__device__ __forceinline__ Prefix<Value> scan_row(const Accumulation<Value>& combine, Value total, Value* warp_totals) {
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int warps = blockDim.x / warp_size;
  Value inclusive = total;
#pragma unroll
  for (int lanes = 1; lanes < warp_size; lanes *= 2) {
    const Value lower = __shfl_up_sync(all_lanes, inclusive, lanes);
    if (lane >= lanes) inclusive = combine(lower, inclusive);
  }
  Value before = __shfl_up_sync(all_lanes, inclusive, 1);
  if (lane == 0) before = combine.neutral();
  const Value warp_total = __shfl_sync(all_lanes, inclusive, warp_size - 1);
  if (warps == 1) return {before, warp_total};
  if (lane == 0) warp_totals[warp] = warp_total;
  __syncthreads();
  Value all = combine.neutral();
  for (int other = 0; other < warps; other++) {
    if (other == warp) before = combine(all, before);
    all = combine(all, warp_totals[other]);
  }
  __syncthreads();  // the next tile overwrites warp_totals
  return {before, all};
}

template <typename Value>
__global__ void __launch_bounds__(1024)
    cumulate_kernel(const void* x, ElementType x_type, void* output, ElementType output_type, int64_t rows,
                    int64_t length, bool product, bool exclusive, bool reversed) {
  __shared__ Value warp_totals[warp_size];
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const Accumulation<Value> combine{product};
  const int64_t base = row * length;
  Value carry = combine.neutral();
  for (int64_t tile = 0; tile < length; tile += int64_t(blockDim.x) * cumulate_elements) {
    const int64_t start = tile + int64_t(threadIdx.x) * cumulate_elements;
    Value values[cumulate_elements];
    Value total = combine.neutral();
#pragma unroll
    for (int i = 0; i < cumulate_elements; i++) {
      const int64_t place = start + i;
      values[i] = combine.neutral();
      if (place < length) {
        values[i] = load_element<Value>(x, x_type, base + (reversed ? length - 1 - place : place));
      }
      total = combine(total, values[i]);
    }
    const Prefix<Value> prefix = scan_row(combine, total, warp_totals);
    Value running = combine(carry, prefix.before);
#pragma unroll
    for (int i = 0; i < cumulate_elements; i++) {
      const int64_t place = start + i;
      const Value next = combine(running, values[i]);
      if (place < length) {
        store_element(output, output_type, base + (reversed ? length - 1 - place : place), exclusive ? running : next);
      }
      running = next;
    }
    carry = combine(carry, prefix.all);
  }
}

}  // namespace attention
