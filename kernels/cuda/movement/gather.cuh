#pragma once
// Computes output[batch, outer, i, :] = x[batch, outer, index i of the batch, :]. The position of an index with several
// coordinates is the sum of each times its stride.

#include "common/strides.h"

namespace attention {

constexpr int gather_elements = 4;  // per thread, blockDim.x apart

struct GatherShape {
  int64_t size;  // of the output
  Divisor slice_length;
  Divisor index_count;
  Divisor outer;
  int64_t axis_length;
  int index_rank;
  int64_t strides[max_rank];
};

/// The position of an index along the axis; -1 if it is outside, so that nothing outside x is read.
__device__ __forceinline__ int64_t find_slice(const int* index, int rank, const int64_t (&strides)[max_rank],
                                              int64_t length) {
  int64_t position = 0;
#pragma unroll
  for (int axis = 0; axis < max_rank; axis++) {
    if (axis < rank) position += index[axis] * strides[axis];
  }
  return position >= 0 && position < length ? position : -1;
}

template <typename Bits>
__global__ void __launch_bounds__(256)
    gather_kernel(const Bits* __restrict__ x, const int* __restrict__ indices, Bits* __restrict__ output,
                  const GatherShape shape) {
  const int64_t start = int64_t(blockIdx.x) * blockDim.x * gather_elements + threadIdx.x;
  Bits values[gather_elements] = {};
#pragma unroll
  for (int i = 0; i < gather_elements; i++) {
    const int64_t place = start + i * int64_t(blockDim.x);
    if (place >= shape.size) break;
    int64_t element, slot, outer;
    const int64_t row = shape.slice_length.split(place, element);
    const int64_t outer_row = shape.index_count.split(row, slot);
    const int64_t batch = shape.outer.split(outer_row, outer);
    const int* index = indices + (batch * shape.index_count.divisor + slot) * shape.index_rank;
    const int64_t slice = find_slice(index, shape.index_rank, shape.strides, shape.axis_length);
    if (slice >= 0) values[i] = x[(outer_row * shape.axis_length + slice) * shape.slice_length.divisor + element];
  }
#pragma unroll
  for (int i = 0; i < gather_elements; i++) {
    const int64_t place = start + i * int64_t(blockDim.x);
    if (place < shape.size) output[place] = values[i];
  }
}

}  // namespace attention
