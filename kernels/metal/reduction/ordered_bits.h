#pragma once
#include <metal_stdlib>

using namespace metal;

// Floats as unsigned integers in the same order. Unlike comparisons of floats, which a compiler may take to have no NaN
// and no infinity, theirs always hold.

/// Bits of `value` that compare as floats do, 0 and -0 alike; a NaN lies beyond the infinity of its sign.
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
