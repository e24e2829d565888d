// Maps elements to unsigned integers of the same order, so that one function ranks all types.
#pragma once
#include <metal_stdlib>
#include "common/element.h"

using namespace metal;

// -0 equals 0; NaN ranks above everything.
inline uint order_of(float value) {
  if (isnan(value)) return 0xffffffffu;
  const uint bits = value == 0.0f ? 0u : as_type<uint>(value);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
inline uint order_of(int value) { return as_type<uint>(value) ^ 0x80000000u; }

inline uint load_order(device const uchar* x, int type, size_t index) {
  if (is_integral(type)) return order_of(load_element<int>(x, type, index));
  return order_of(load_element<float>(x, type, index));
}
