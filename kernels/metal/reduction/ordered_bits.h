#pragma once
#include <metal_stdlib>

using namespace metal;

// Maps floats to unsigned integers of the same order. A compiler may assume that floats are never NaN or infinite, and
// optimize their comparisons accordingly; comparisons of these integers always hold.

/// Bits of `value` that compare as floats do, with -0 equal to 0; a NaN lies beyond the infinity of its sign.
inline uint ordered_bits(float value) {
  uint bits = as_type<uint>(value);
  if (bits == 0x80000000u) bits = 0;
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

inline float from_ordered_bits(uint bits) {
  return as_type<float>((bits & 0x80000000u) != 0 ? bits & 0x7fffffffu : ~bits);
}

constant constexpr uint ordered_infinity = 0xff800000u;
constant constexpr uint ordered_minus_infinity = 0x007fffffu;

/// Whether values from `lowest` to `highest` have a softmax: none is NaN, and the maximum is finite.
inline bool has_distribution(uint lowest, uint highest) {
  return lowest >= ordered_minus_infinity && highest > ordered_minus_infinity && highest < ordered_infinity;
}
