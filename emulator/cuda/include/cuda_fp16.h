#pragma once
// float16, as CUDA's header gives it: conversions, no arithmetic.

#include <bit>
#include <cstdint>

#include "cuda_runtime.h"

namespace attention::emulator {

inline float float16_to_float(uint16_t bits) {
  // The exponent's bias is 15 there and 127 here.
  const float magnitude = std::bit_cast<float>(uint32_t(bits & 0x7fff) << 13) * 0x1p112f;
  const uint32_t special = (bits & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | uint32_t(bits & 0x8000) << 16);
}

inline uint16_t float_to_float16(float value) {
  const uint32_t all = std::bit_cast<uint32_t>(value);
  const uint32_t bits = all & 0x7fffffffu;
  const uint32_t sign = all >> 16 & 0x8000;
  if (bits > 0x7f800000u) return 0x7fff;
  if (bits >= 0x477ff000u) return uint16_t(sign | 0x7c00);
  if (bits < 0x38800000u) {  // below 2^-14: units of 2^-24, which are those of 0.5
    return uint16_t(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(bits) + 0.5f) - 0x3f000000u));
  }
  return uint16_t(sign | (bits - 0x38000000u + 0xfff + (bits >> 13 & 1)) >> 13);
}

}  // namespace attention::emulator

struct __half_raw {
  unsigned short x;
};

struct alignas(2) __half {
  unsigned short bits;
  __half() = default;
  constexpr __half(const __half_raw& raw) : bits(raw.x) {}
  explicit __half(float value) : bits(attention::emulator::float_to_float16(value)) {}
  explicit operator float() const { return attention::emulator::float16_to_float(bits); }
};
using half = __half;

struct alignas(4) __half2 {
  __half x, y;
};
using half2 = __half2;

inline float __half2float(__half value) { return attention::emulator::float16_to_float(value.bits); }
inline __half __float2half_rn(float value) { return __half(value); }
inline __half __float2half(float value) { return __half(value); }
inline unsigned short __half_as_ushort(__half value) { return value.bits; }
inline short __half_as_short(__half value) { return short(value.bits); }
inline __half __ushort_as_half(unsigned short bits) { return __half(__half_raw{bits}); }
inline __half __short_as_half(short bits) { return __half(__half_raw{(unsigned short)bits}); }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half2 __floats2half2_rn(float x, float y) { return {__half(x), __half(y)}; }
inline __half2 __float22half2_rn(float2 v) { return __floats2half2_rn(v.x, v.y); }
inline float2 __half22float2(__half2 v) { return {__half2float(v.x), __half2float(v.y)}; }
inline float __low2float(__half2 v) { return __half2float(v.x); }
inline float __high2float(__half2 v) { return __half2float(v.y); }
