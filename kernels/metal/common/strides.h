// Addressing of tensors of any shape and strides.
#pragma once
#include <metal_stdlib>

using namespace metal;

constant constexpr uint max_rank = 6;

// The offset of element `index`, in row-major order, of a view. A stride of 0 repeats; negative strides work because
// the sum wraps around.
inline ulong strided_offset(uint index, uint rank, constant const uint* shape, constant const long* strides) {
  ulong offset = 0;
  for (uint d = rank; d-- > 0;) {
    offset += ulong(strides[d]) * (index % shape[d]);
    index /= shape[d];
  }
  return offset;
}
