// Functions of one element. `operation` is an index into the table of unary.ts.
#include <metal_stdlib>
#include "common/element.h"
#include "elementwise/special_functions.h"

using namespace metal;

constant int operation [[function_constant(0)]];
constant int x_type [[function_constant(1)]];
constant int output_type [[function_constant(2)]];

struct UnaryParams {
  uint size;
  float alpha;  // attributes: a slope, or the lower bound
  float beta;   // the upper bound
};

inline float apply(float x, float alpha, float beta) {
  switch (operation) {
    case 0: return fabs(x);
    case 1: return precise::acos(x);
    case 2: return precise::acosh(x);
    case 3: return precise::asin(x);
    case 4: return precise::asinh(x);
    case 5: return precise::atan(x);
    case 6: return precise::atanh(x);
    case 7: return ceil(x);
    case 8: return x > beta ? beta : x < alpha ? alpha : x;
    case 9: return precise::cos(x);
    case 10: return precise::cosh(x);
    case 11: return x >= 0.0f ? x : exp_minus_1(x);
    case 12: return error_function(x);
    case 13: return precise::exp(x);
    case 14: return exp_minus_1(x);
    case 15: return floor(x);
    case 16: return isfinite(x) ? 1.0f : 0.0f;
    case 17: return isinf(x) ? 1.0f : 0.0f;
    case 18: return isnan(x) ? 1.0f : 0.0f;
    case 19: return x < 0.0f ? alpha * x : x;
    case 20: return precise::log(x);
    case 21: return log_1_plus(x);
    case 22: return x != 0.0f ? 0.0f : 1.0f;
    case 23: return -x;
    case 24: return 1.0f / x;
    case 25: return isnan(x) ? x : x > 0.0f ? x : 0.0f;
    case 26: return isnan(x) ? x : x > 6.0f ? 6.0f : x > 0.0f ? x : 0.0f;
    case 27: return rint(x);
    case 28: return 1.0f / precise::sqrt(x);
    case 29: return x >= 0.0f ? 1.0507009873554805f * x : 1.7580993408473766f * exp_minus_1(x);
    case 30: return 1.0f / (1.0f + precise::exp(-x));
    case 31: return x < 0.0f ? -1.0f : x > 0.0f ? 1.0f : 0.0f;
    case 32: return precise::sin(x);
    case 33: return fabs(x) < 0.5f ? 0.5f * (exp_minus_1(x) - exp_minus_1(-x)) : precise::sinh(x);
    case 34: return x > 14.0f ? x : x < -14.0f ? precise::exp(x) : log_1_plus(precise::exp(x));
    case 35: return precise::sqrt(x);
    case 36: return x * x;
    case 37: return isnan(x) ? x : x > 0.0f ? 1.0f : alpha;
    default: return precise::tanh(x);
  }
}

inline int apply(int x, float, float) {
  switch (operation) {
    case 0: return x < 0 ? int(-uint(x)) : x;
    case 22: return x != 0 ? 0 : 1;
    case 23: return int(-uint(x));
    case 25: return max(x, 0);
    case 26: return clamp(x, 0, 6);
    case 31: return x < 0 ? -1 : x > 0 ? 1 : 0;
    case 36: return int(uint(x) * uint(x));
    default: return x;
  }
}

template <typename Value>
[[kernel]] void unary(device const uchar* x [[buffer(0)]],
                      device uchar* output [[buffer(1)]],
                      constant UnaryParams& params [[buffer(2)]],
                      uint position [[thread_position_in_grid]],
                      uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const Value value = load_element<Value>(x, x_type, i);
    store_element(output, output_type, i, apply(value, params.alpha, params.beta));
  }
}

#define instantiate_unary(type)                                       \
  template [[host_name("unary_" #type)]] [[kernel]] void unary<type>( \
      device const uchar*, device uchar*, constant UnaryParams&, uint, uint);

instantiate_unary(float)
instantiate_unary(int)
