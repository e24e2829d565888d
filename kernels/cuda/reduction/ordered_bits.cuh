#pragma once
// Maps floats to unsigned integers of the same order. Unlike float comparisons, these hold for NaN too.

#include <cstdint>

namespace attention {

/// Bits that compare like the float. 0 and -0 are equal; a NaN lies beyond the infinity of its sign.
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

/// Whether a row with these extremes has a softmax: no NaN, and a finite maximum.
__device__ __forceinline__ bool has_distribution(uint32_t lowest, uint32_t highest) {
  return lowest >= ordered_minus_infinity && highest > ordered_minus_infinity && highest < ordered_infinity;
}

}  // namespace attention
