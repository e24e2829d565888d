#pragma once
// Computes condition ? t : e. If there are fewer conditions than elements, each selects a row. One pack per thread.

#include "common/element.cuh"
#include "common/strides.h"

namespace attention {

template <typename Value>
__global__ void __launch_bounds__(256)
    select_kernel(const uint8_t* condition, const void* t, ElementType t_type, const void* e, ElementType e_type,
                  void* output, ElementType output_type, int64_t size, const Divisor row_length) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (index >= size) return;
  const int64_t count = size - index;
  int conditions[pack_elements] = {};
  if (row_length.divisor == 1) {
    load_some(conditions, condition, ElementType::bool8, index, count);
  } else {
#pragma unroll
    for (int i = 0; i < pack_elements; i++) {
      int64_t place;
      if (i < count) conditions[i] = condition[row_length.split(index + i, place)];
    }
  }
  Value chosen[pack_elements] = {};
  Value others[pack_elements] = {};
  if (count >= pack_elements) {
    RawPack raw[2];
    load_raw(raw[0], t, t_type, index);
    load_raw(raw[1], e, e_type, index);
    convert_raw(chosen, raw[0], t_type);
    convert_raw(others, raw[1], e_type);
  } else {
    load_some(chosen, t, t_type, index, count);
    load_some(others, e, e_type, index, count);
  }
#pragma unroll
  for (int i = 0; i < pack_elements; i++) {
    if (conditions[i] == 0) chosen[i] = others[i];
  }
  store_some(output, output_type, index, chosen, count);
}

}  // namespace attention
