#pragma once
// Floats as unsigned integers in the same order: comparisons of them hold for NaN too.

#include <cstdint>

namespace attention {

/// Bits of `value` that compare as floats do, 0 and -0 alike; a NaN lies beyond the infinity of its sign.
__device__ __forceinline__ uint32_t ordered_bits(float value) {
  uint32_t bits = __float_as_uint(value);
  if (bits == 0x80000000u) bits = 0;
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float from_ordered_bits(uint32_t bits) {
  return __uint_as_float((bits & 0x80000000u) != 0 ? bits & 0x7fffffffu : ~bits);
}

constexpr uint32_t ordered_infinity = 0xff800000u;
constexpr uint32_t ordered_minus_infinity = 0x007fffffu;

/// Whether values from `lowest` to `highest` have a softmax: none is NaN, and the maximum is finite.
__device__ __forceinline__ bool has_distribution(uint32_t lowest, uint32_t highest) {
  return lowest >= ordered_minus_infinity && highest > ordered_minus_infinity && highest < ordered_infinity;
}

}  // namespace attention
