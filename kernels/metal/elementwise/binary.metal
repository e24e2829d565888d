// Elementwise functions of two operands, broadcast by strides.
#include <metal_stdlib>
#include "common/enumerations.h"
#include "common/element.h"
#include "common/strides.h"

using namespace metal;
using namespace attention;

constant int operation [[function_constant(0)]];  // a BinaryOperation
constant int a_type [[function_constant(1)]];
constant int b_type [[function_constant(2)]];
constant int output_type [[function_constant(3)]];
constant bool contiguous [[function_constant(4)]];

struct BinaryParams {
  long a_strides[max_rank];
  long b_strides[max_rank];
  uint shape[max_rank];
  uint rank;
  uint size;
};

// If the signs differ, the remainder takes the divisor's sign.
inline float modulo(float a, float b) {
  const float remainder = precise::fmod(a, b);
  const bool same_sign = (a < 0.0f && b < 0.0f) || (a >= 0.0f && b >= 0.0f);
  return same_sign ? remainder : precise::fmod(remainder + b, b);
}

inline int modulo(int a, int b) {
  if (b == 0 || b == -1) return 0;
  const int remainder = a % b;
  const bool same_sign = (a < 0 && b < 0) || (a >= 0 && b >= 0);
  return same_sign ? remainder : (remainder + b) % b;
}

inline float power(float a, float b) {
  if (isnan(b) || (isinf(b) && fabs(a) == 1.0f)) return NAN;  // C's pow returns 1
  return precise::pow(a, b);
}

inline int power(int a, int b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  uint result = 1;
  uint factor = uint(a);
  for (uint exponent = uint(b); exponent > 0; exponent >>= 1, factor *= factor) {
    if (exponent & 1) result *= factor;
  }
  return int(result);
}

// (a - remainder) / b is an integer up to rounding, so it must be rounded, not floored.
inline float floor_quotient(float a, float b) {
  if (b == 0.0f || !isfinite(a / b)) return floor(a / b);
  const float remainder = precise::fmod(a, b);
  const float whole = rint((a - remainder) / b);
  return remainder != 0.0f && (remainder < 0.0f) != (b < 0.0f) ? whole - 1.0f : whole;
}

inline int floor_quotient(int a, int b) {
  if (b == 0) return 0;
  if (b == -1) return int(-uint(a));
  const int quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

inline float larger(float a, float b) { return isnan(a) || a > b ? a : b; }
inline float smaller(float a, float b) { return isnan(a) || a < b ? a : b; }
inline int larger(int a, int b) { return max(a, b); }
inline int smaller(int a, int b) { return min(a, b); }

inline float add(float a, float b) { return a + b; }
inline float subtract(float a, float b) { return a - b; }
inline float multiply(float a, float b) { return a * b; }
inline int add(int a, int b) { return int(uint(a) + uint(b)); }
inline int subtract(int a, int b) { return int(uint(a) - uint(b)); }
inline int multiply(int a, int b) { return int(uint(a) * uint(b)); }

inline float quotient(float a, float b) { return a / b; }
inline int quotient(int, int) { return 0; }  // never called
inline float angle(float y, float x) { return precise::atan2(y, x); }
inline int angle(int, int) { return 0; }  // never called

template <typename Value>
inline Value apply(Value a, Value b) {
  switch (BinaryOperation(operation)) {
    case BinaryOperation::add: return add(a, b);
    case BinaryOperation::atan2: return angle(a, b);
    case BinaryOperation::equal: return Value(a == b);
    case BinaryOperation::floor_div: return floor_quotient(a, b);
    case BinaryOperation::greater: return Value(a > b);
    case BinaryOperation::greater_equal: return Value(a >= b);
    case BinaryOperation::less: return Value(a < b);
    case BinaryOperation::less_equal: return Value(a <= b);
    case BinaryOperation::logical_and: return Value(a != Value(0) && b != Value(0));
    case BinaryOperation::logical_or: return Value(a != Value(0) || b != Value(0));
    case BinaryOperation::maximum: return larger(a, b);
    case BinaryOperation::minimum: return smaller(a, b);
    case BinaryOperation::mod: return modulo(a, b);
    case BinaryOperation::multiply: return multiply(a, b);
    case BinaryOperation::not_equal: return Value(a != b);
    case BinaryOperation::pow: return power(a, b);
    case BinaryOperation::prelu: return a < Value(0) ? multiply(a, b) : a;
    case BinaryOperation::real_div: return quotient(a, b);
    case BinaryOperation::squared_difference: return multiply(subtract(a, b), subtract(a, b));
    default: return subtract(a, b);
  }
}

template <typename Value>
[[kernel]] void binary(device const uchar* a [[buffer(0)]],
                       device const uchar* b [[buffer(1)]],
                       device uchar* output [[buffer(2)]],
                       constant BinaryParams& params [[buffer(3)]],
                       uint position [[thread_position_in_grid]],
                       uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const ulong at_a = contiguous ? i : strided_offset(i, params.rank, params.shape, params.a_strides);
    const ulong at_b = contiguous ? i : strided_offset(i, params.rank, params.shape, params.b_strides);
    const Value left = load_element<Value>(a, a_type, at_a);
    const Value right = load_element<Value>(b, b_type, at_b);
    store_element(output, output_type, i, apply(left, right));
  }
}

#define instantiate_binary(type)                                        \
  template [[host_name("binary_" #type)]] [[kernel]] void binary<type>( \
      device const uchar*, device const uchar*, device uchar*, constant BinaryParams&, uint, uint);

instantiate_binary(float)
instantiate_binary(int)
