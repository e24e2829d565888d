#pragma once
// Scatters slices in a fixed order, without atomics, so that results are reproducible: keys of (slice, update) are
// sorted by bitonic sort, and each slice then applies its updates one after the other.

#include "elementwise/binary_functions.cuh"
#include "reduction/bitonic_sort.cuh"
#include "common/element.cuh"
#include "movement/gather.cuh"
#include "common/shared_memory.cuh"

namespace attention {

constexpr int update_bits = 31;
constexpr uint64_t no_key = ~uint64_t(0);  // for indices outside the output and padding; sorts last
constexpr int sort_threads = 512;

__device__ __forceinline__ int64_t slice_of(uint64_t key) { return int64_t(key >> update_bits); }
__device__ __forceinline__ int64_t update_of(uint64_t key) { return int64_t(key & ((uint64_t(1) << update_bits) - 1)); }

struct ScatterShape {
  int64_t count;
  int64_t slices;
  int64_t slice_length;
  int index_rank;
  int64_t strides[max_rank];
  bool adds;
};

/// Makes the keys and sorts them in runs of `run`, one per block.
__global__ void __launch_bounds__(sort_threads)
    scatter_keys_kernel(const int* indices, uint64_t* keys, int run, const ScatterShape shape) {
  uint64_t* own = shared_memory<uint64_t>();
  const int64_t first = int64_t(blockIdx.x) * run;
  for (int i = threadIdx.x; i < run; i += blockDim.x) {
    const int64_t update = first + i;
    int64_t slice = -1;
    if (update < shape.count) {
      slice = find_slice(indices + update * shape.index_rank, shape.index_rank, shape.strides, shape.slices);
    }
    own[i] = slice < 0 ? no_key : uint64_t(slice) << update_bits | uint64_t(update);
  }
  __syncthreads();
  sort_block(own, first, run);
  for (int i = threadIdx.x; i < run; i += blockDim.x) keys[first + i] = own[i];
}

/// One step of the sort with a stride longer than a block's run. One pair per thread.
__global__ void __launch_bounds__(sort_threads)
    sort_step_kernel(uint64_t* keys, int64_t pairs, int64_t size, int64_t stride) {
  const int64_t pair = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pair < pairs) order_pair(keys, 0, pair, size, stride);
}

/// The remaining steps of runs of `size`, in shared memory.
__global__ void __launch_bounds__(sort_threads) sort_merge_kernel(uint64_t* keys, int run, int64_t size) {
  uint64_t* own = shared_memory<uint64_t>();
  const int64_t first = int64_t(blockIdx.x) * run;
  for (int i = threadIdx.x; i < run; i += blockDim.x) own[i] = keys[first + i];
  __syncthreads();
  merge_runs(own, first, run, size, run / 2);
  for (int i = threadIdx.x; i < run; i += blockDim.x) keys[first + i] = own[i];
}

/// Thread x takes elements of a slice, thread y a key. Only the first or last key of a slice writes it.
template <typename Value>
__global__ void __launch_bounds__(256)
    scatter_kernel(const uint64_t* keys, const void* updates, void* output, ElementType type,
                   const ScatterShape shape) {
  const int64_t place = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (place >= shape.count || keys[place] == no_key) return;
  const int64_t slice = slice_of(keys[place]);
  // If updates are added, a slice's first key goes through all of them; otherwise only its last key counts.
  const int64_t neighbour = shape.adds ? place - 1 : place + 1;
  if (neighbour >= 0 && neighbour < shape.count && keys[neighbour] != no_key && slice_of(keys[neighbour]) == slice) {
    return;
  }
  const int64_t first = int64_t(blockIdx.y) * blockDim.x + threadIdx.x;
  const int64_t step = int64_t(gridDim.y) * blockDim.x;
  for (int64_t element = first; element < shape.slice_length; element += step) {
    Value value = Value(0);
    for (int64_t next = place; next < shape.count && keys[next] != no_key && slice_of(keys[next]) == slice; next++) {
      const int64_t from = update_of(keys[next]) * shape.slice_length + element;
      const Value update = load_element<Value>(updates, type, from);
      value = shape.adds ? add(value, update) : update;
    }
    store_element(output, type, slice * shape.slice_length + element, value);
  }
}

}  // namespace attention
