#pragma once
// Maps elements to unsigned integers of the same order, so that one function ranks all types. Unlike ordered_bits.cuh,
// all NaNs are equal and above everything.

#include "common/element.cuh"

namespace attention {

/// -0 equals 0; NaN is above all other values.
__device__ __forceinline__ uint32_t order_of(float value) {
  if (isnan(value)) return 0xffffffffu;
  const uint32_t bits = value == 0.0f ? 0u : __float_as_uint(value);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ uint32_t order_of(int value) { return uint32_t(value) ^ 0x80000000u; }

__device__ __forceinline__ bool has_floats(ElementType type) {
  return type != ElementType::int32 && type != ElementType::bool8;
}

__device__ __forceinline__ uint32_t load_order(const void* x, ElementType type, int64_t index) {
  if (has_floats(type)) return order_of(load_element<float>(x, type, index));
  return order_of(load_element<int>(x, type, index));
}

/// A key that ranks an element within its row: greater for a higher order, and among equals for a lower position. Never
/// 0.
__device__ __forceinline__ uint64_t key_of(uint32_t order, uint32_t position) {
  return uint64_t(order) << 32 | uint32_t(~position);
}
__device__ __forceinline__ uint32_t position_of(uint64_t key) { return ~uint32_t(key); }

}  // namespace attention
