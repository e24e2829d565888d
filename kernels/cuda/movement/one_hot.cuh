#pragma once
// Computes output[i, d] = d == indices[i] ? on : off, one pack of the output per thread.

#include "common/element.cuh"
#include "common/strides.h"

namespace attention {

__global__ void __launch_bounds__(256) one_hot_kernel(const int* indices, void* output, ElementType type, int64_t size,
                                                      const Divisor depth, float on, float off) {
  const int64_t start = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (start >= size) return;
  int64_t place;
  int64_t row = depth.split(start, place);
  int64_t index = indices[row];
  float values[pack_elements] = {};
#pragma unroll
  for (int i = 0; i < pack_elements; i++) {
    if (start + i >= size) break;
    if (place == depth.divisor) {
      place = 0;
      index = indices[++row];
    }
    values[i] = place == index ? on : off;
    place++;
  }
  store_some(output, type, start, values, size - start);
}

}  // namespace attention
