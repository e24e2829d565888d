#pragma once
// The position of the largest or smallest element of a row; of equal ones the first.

#include "common/block_reduce.cuh"
#include "reduction/order.cuh"

namespace attention {

/// As on `cpu`: NaN is never larger or smaller, and wins only where it is the first element, being where the search
/// starts.
__device__ __forceinline__ uint32_t rank_of(const void* x, ElementType type, int64_t at, bool first, bool smallest) {
  const uint32_t order = load_order(x, type, at);
  if (has_floats(type) && order == 0xffffffffu) return first ? 0xffffffffu : 0u;
  return smallest ? ~order : order;
}

__device__ __forceinline__ uint64_t higher(uint64_t a, uint64_t b) { return a > b ? a : b; }

/// The highest of all threads of a row, to its first thread.
__device__ __forceinline__ uint64_t row_highest(uint64_t place, uint64_t* warp_places) {
#pragma unroll
  for (int lanes = warp_size / 2; lanes > 0; lanes /= 2) {
    place = higher(place, __shfl_xor_sync(all_lanes, static_cast<unsigned long long>(place), lanes));
  }
  const int warps = blockDim.x / warp_size;
  if (warps == 1) return place;
  if (threadIdx.x % warp_size == 0) warp_places[threadIdx.x / warp_size] = place;
  __syncthreads();
  place = warp_places[0];
  for (int warp = 1; warp < warps; warp++) place = higher(place, warp_places[warp]);
  return place;
}

/// blockDim.x threads share a part of a row; a block has several rows only where a warp is enough for one. The places
/// go to `places`, [rows, gridDim.y]; without it the positions to `output`.
__global__ void __launch_bounds__(512)
    arg_reduce_kernel(const void* x, ElementType type, int* output, uint64_t* places, int64_t rows, int64_t length,
                      int64_t part, bool smallest) {
  __shared__ uint64_t warp_places[warp_size];
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int64_t first = blockIdx.y * part;
  const int64_t last = min(first + part, length);
  uint64_t place = 0;
#pragma unroll 4
  for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
    place = higher(place, place_of(rank_of(x, type, row * length + i, i == 0, smallest), uint32_t(i)));
  }
  place = row_highest(place, warp_places);
  if (threadIdx.x > 0) return;
  if (places) {
    places[row * gridDim.y + blockIdx.y] = place;
  } else {
    output[row] = int(position_of(place));
  }
}

/// The highest of the parts, a thread a row.
__global__ void arg_reduce_parts_kernel(const uint64_t* places, int* output, int64_t rows, int parts) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  uint64_t place = 0;
  for (int i = 0; i < parts; i++) place = higher(place, places[row * parts + i]);
  output[row] = int(position_of(place));
}

}  // namespace attention
