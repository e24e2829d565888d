#pragma once
// Finds the position of each row's largest or smallest element; the first of equal ones. An element's order and
// position are combined into one integer key, and the row's result is its greatest key. Long rows are divided among
// blocks along y; a second kernel combines their results.

#include "common/block_reduce.cuh"
#include "reduction/order.cuh"

namespace attention {

/// As on tfjs's `cpu`, NaN compares as neither larger nor smaller, so it wins only as the first element, where the
/// search starts.
__device__ __forceinline__ uint32_t rank_of(const void* x, ElementType type, int64_t at, bool first, bool smallest) {
  const uint32_t order = load_order(x, type, at);
  if (has_floats(type) && order == 0xffffffffu) return first ? 0xffffffffu : 0u;
  return smallest ? ~order : order;
}

__device__ __forceinline__ uint64_t higher(uint64_t a, uint64_t b) { return a > b ? a : b; }

/// The greatest key of all threads of a row, returned to its first thread.
__device__ __forceinline__ uint64_t row_highest(uint64_t key, uint64_t* warp_keys) {
#pragma unroll
  for (int lanes = warp_size / 2; lanes > 0; lanes /= 2) {
    key = higher(key, __shfl_xor_sync(all_lanes, static_cast<unsigned long long>(key), lanes));
  }
  const int warps = blockDim.x / warp_size;
  if (warps == 1) return key;
  if (threadIdx.x % warp_size == 0) warp_keys[threadIdx.x / warp_size] = key;
  __syncthreads();
  key = warp_keys[0];
  for (int warp = 1; warp < warps; warp++) key = higher(key, warp_keys[warp]);
  return key;
}

/// blockDim.x threads share a part of a row; a block has several rows only if one warp suffices for a row. If `keys` is
/// given, stores the part's greatest key in it, [rows, gridDim.y]; otherwise stores the position in `output`.
__global__ void __launch_bounds__(512)
    arg_reduce_kernel(const void* x, ElementType type, int* output, uint64_t* keys, int64_t rows, int64_t length,
                      int64_t part, bool smallest) {
  __shared__ uint64_t warp_keys[warp_size];
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int64_t first = blockIdx.y * part;
  const int64_t last = min(first + part, length);
  uint64_t key = 0;
#pragma unroll 4
  for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
    key = higher(key, key_of(rank_of(x, type, row * length + i, i == 0, smallest), uint32_t(i)));
  }
  key = row_highest(key, warp_keys);
  if (threadIdx.x > 0) return;
  if (keys) {
    keys[row * gridDim.y + blockIdx.y] = key;
  } else {
    output[row] = int(position_of(key));
  }
}

/// Combines the parts of a row, one row per thread.
__global__ void arg_reduce_parts_kernel(const uint64_t* keys, int* output, int64_t rows, int parts) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  uint64_t key = 0;
  for (int i = 0; i < parts; i++) key = higher(key, keys[row * parts + i]);
  output[row] = int(position_of(key));
}

}  // namespace attention
