// Elementwise functions of one operand.
#include <metal_stdlib>
#include "common/enumerations.h"
#include "common/element.h"
#include "elementwise/special_functions.h"

using namespace metal;
using namespace attention;

constant int operation [[function_constant(0)]];  // a UnaryOperation
constant int x_type [[function_constant(1)]];
constant int output_type [[function_constant(2)]];

struct UnaryParams {
  uint size;
  float alpha;  // the op's attribute: a slope, or the lower bound
  float beta;   // the upper bound
};

inline float apply(float x, float alpha, float beta) {
  switch (UnaryOperation(operation)) {
    case UnaryOperation::abs: return fabs(x);
    case UnaryOperation::acos: return precise::acos(x);
    case UnaryOperation::acosh: return precise::acosh(x);
    case UnaryOperation::asin: return precise::asin(x);
    case UnaryOperation::asinh: return precise::asinh(x);
    case UnaryOperation::atan: return precise::atan(x);
    case UnaryOperation::atanh: return precise::atanh(x);
    case UnaryOperation::ceil: return ceil(x);
    case UnaryOperation::clip_by_value: return x > beta ? beta : x < alpha ? alpha : x;
    case UnaryOperation::cos: return precise::cos(x);
    case UnaryOperation::cosh: return precise::cosh(x);
    case UnaryOperation::elu: return x >= 0.0f ? x : exp_minus_1(x);
    case UnaryOperation::erf: return error_function(x);
    case UnaryOperation::exp: return precise::exp(x);
    case UnaryOperation::expm1: return exp_minus_1(x);
    case UnaryOperation::floor: return floor(x);
    case UnaryOperation::is_finite: return isfinite(x) ? 1.0f : 0.0f;
    case UnaryOperation::is_inf: return isinf(x) ? 1.0f : 0.0f;
    case UnaryOperation::is_nan: return isnan(x) ? 1.0f : 0.0f;
    case UnaryOperation::leaky_relu: return x < 0.0f ? alpha * x : x;
    case UnaryOperation::log: return precise::log(x);
    case UnaryOperation::log1p: return log_1_plus(x);
    case UnaryOperation::logical_not: return x != 0.0f ? 0.0f : 1.0f;
    case UnaryOperation::neg: return -x;
    case UnaryOperation::reciprocal: return 1.0f / x;
    case UnaryOperation::relu: return isnan(x) ? x : x > 0.0f ? x : 0.0f;
    case UnaryOperation::relu6: return isnan(x) ? x : x > 6.0f ? 6.0f : x > 0.0f ? x : 0.0f;
    case UnaryOperation::round: return rint(x);
    case UnaryOperation::rsqrt: return 1.0f / precise::sqrt(x);
    case UnaryOperation::selu: return x >= 0.0f ? 1.0507009873554805f * x : 1.7580993408473766f * exp_minus_1(x);
    case UnaryOperation::sigmoid: return 1.0f / (1.0f + precise::exp(-x));
    case UnaryOperation::sign: return x < 0.0f ? -1.0f : x > 0.0f ? 1.0f : 0.0f;
    case UnaryOperation::sin: return precise::sin(x);
    case UnaryOperation::sinh: return fabs(x) < 0.5f ? 0.5f * (exp_minus_1(x) - exp_minus_1(-x)) : precise::sinh(x);
    case UnaryOperation::softplus: return x > 14.0f ? x : x < -14.0f ? precise::exp(x) : log_1_plus(precise::exp(x));
    case UnaryOperation::sqrt: return precise::sqrt(x);
    case UnaryOperation::square: return x * x;
    case UnaryOperation::step: return isnan(x) ? x : x > 0.0f ? 1.0f : alpha;
    default: return precise::tanh(x);
  }
}

inline int apply(int x, float, float) {
  switch (UnaryOperation(operation)) {
    case UnaryOperation::abs: return x < 0 ? int(-uint(x)) : x;
    case UnaryOperation::logical_not: return x != 0 ? 0 : 1;
    case UnaryOperation::neg: return int(-uint(x));
    case UnaryOperation::relu: return max(x, 0);
    case UnaryOperation::relu6: return clamp(x, 0, 6);
    case UnaryOperation::sign: return x < 0 ? -1 : x > 0 ? 1 : 0;
    case UnaryOperation::square: return int(uint(x) * uint(x));
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
