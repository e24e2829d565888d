#pragma once
// Functions of two elements, with tfjs's semantics. The long ones are not inlined: inlining them for each element of a
// pack makes compilation slow.

#include <cstdint>

namespace attention {

// If the signs differ, the remainder takes the divisor's sign.
__device__ __noinline__ inline float modulo(float a, float b) {
  const float remainder = fmodf(a, b);
  const bool same_sign = (a < 0.0f && b < 0.0f) || (a >= 0.0f && b >= 0.0f);
  return same_sign ? remainder : fmodf(remainder + b, b);
}

__device__ __forceinline__ int modulo(int a, int b) {
  if (b == 0 || b == -1) return 0;
  const int remainder = a % b;
  const bool same_sign = (a < 0 && b < 0) || (a >= 0 && b >= 0);
  return same_sign ? remainder : (remainder + b) % b;
}

__device__ __noinline__ inline float power(float a, float b) {
  if (isnan(b) || (isinf(b) && fabsf(a) == 1.0f)) return NAN;  // C's powf returns 1
  return powf(a, b);
}

__device__ __noinline__ inline int power(int a, int b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  uint32_t result = 1;
  uint32_t factor = uint32_t(a);
  for (uint32_t exponent = uint32_t(b); exponent > 0; exponent >>= 1, factor *= factor) {
    if (exponent & 1) result *= factor;
  }
  return int(result);
}

// (a - remainder) / b is an integer up to rounding, so it must be rounded, not floored.
__device__ __noinline__ inline float floor_quotient(float a, float b) {
  if (b == 0.0f || !isfinite(a / b)) return floorf(a / b);
  const float remainder = fmodf(a, b);
  const float whole = rintf((a - remainder) / b);
  return remainder != 0.0f && (remainder < 0.0f) != (b < 0.0f) ? whole - 1.0f : whole;
}

__device__ __forceinline__ int floor_quotient(int a, int b) {
  if (b == 0) return 0;
  if (b == -1) return int(-uint32_t(a));
  const int quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

// Return NaN if an operand is NaN.
__device__ __forceinline__ float larger(float a, float b) { return isnan(a) || a > b ? a : b; }
__device__ __forceinline__ float smaller(float a, float b) { return isnan(a) || a < b ? a : b; }
__device__ __forceinline__ int larger(int a, int b) { return a > b ? a : b; }
__device__ __forceinline__ int smaller(int a, int b) { return a < b ? a : b; }

// Integer arithmetic wraps around.
__device__ __forceinline__ float add(float a, float b) { return a + b; }
__device__ __forceinline__ float subtract(float a, float b) { return a - b; }
__device__ __forceinline__ float multiply(float a, float b) { return a * b; }
__device__ __forceinline__ int add(int a, int b) { return int(uint32_t(a) + uint32_t(b)); }
__device__ __forceinline__ int subtract(int a, int b) { return int(uint32_t(a) - uint32_t(b)); }
__device__ __forceinline__ int multiply(int a, int b) { return int(uint32_t(a) * uint32_t(b)); }

// The int versions exist only for the templates; they are never called.
__device__ __forceinline__ float quotient(float a, float b) { return a / b; }
__device__ __forceinline__ int quotient(int, int) { return 0; }
__device__ __noinline__ inline float angle(float y, float x) { return atan2f(y, x); }
__device__ __forceinline__ int angle(int, int) { return 0; }

}  // namespace attention
