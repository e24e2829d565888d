#pragma once
// Computes output[i] = start + i * step, one pack per thread.

#include "common/element.cuh"

namespace attention {

__global__ void __launch_bounds__(256)
    fill_kernel(void* output, ElementType type, int64_t size, float start, float step, uint32_t int_start,
                uint32_t int_step) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (index >= size) return;
  if (type == ElementType::int32) {
    int values[pack_elements];
#pragma unroll
    for (int i = 0; i < pack_elements; i++) {
      values[i] = int(int_start + int_step * uint32_t(index + i));
    }
    return store_some(output, type, index, values, size - index);
  }
  float values[pack_elements];
#pragma unroll
  for (int i = 0; i < pack_elements; i++) {
    // A constant may be infinite or NaN, so it is not multiplied. Double, because float cannot hold every index.
    values[i] = step == 0.0f ? start : float(double(start) + double(step) * double(index + i));
  }
  store_some(output, type, index, values, size - index);
}

}  // namespace attention
