#pragma once
// Elementwise functions of one operand.

#include "common/element.cuh"

namespace attention {

/// Near its poles tanf is less accurate than tfjs's tests allow.
__device__ __noinline__ inline float tangent(float x) { return float(tan(double(x))); }

// The loop is inside the switch, so that the operation is chosen once per pack.
#define ATTENTION_EACH(expression)                \
  do {                                            \
    _Pragma("unroll") for (int i = 0; i < N; i++) { \
      const float x = values[i];                  \
      values[i] = expression;                     \
    }                                             \
    return;                                       \
  } while (false)

template <int N>
__device__ __forceinline__ void apply_unary(UnaryOperation operation, float (&values)[N], float alpha, float beta) {
  switch (operation) {
    case UnaryOperation::abs: ATTENTION_EACH(fabsf(x));
    case UnaryOperation::acos: ATTENTION_EACH(acosf(x));
    case UnaryOperation::acosh: ATTENTION_EACH(acoshf(x));
    case UnaryOperation::asin: ATTENTION_EACH(asinf(x));
    case UnaryOperation::asinh: ATTENTION_EACH(asinhf(x));
    case UnaryOperation::atan: ATTENTION_EACH(atanf(x));
    case UnaryOperation::atanh: ATTENTION_EACH(atanhf(x));
    case UnaryOperation::ceil: ATTENTION_EACH(ceilf(x));
    case UnaryOperation::clip_by_value: ATTENTION_EACH(x > beta ? beta : x < alpha ? alpha : x);
    case UnaryOperation::cos: ATTENTION_EACH(cosf(x));
    case UnaryOperation::cosh: ATTENTION_EACH(coshf(x));
    case UnaryOperation::elu: ATTENTION_EACH(x >= 0.0f ? x : expm1f(x));
    case UnaryOperation::erf: ATTENTION_EACH(erff(x));
    case UnaryOperation::exp: ATTENTION_EACH(expf(x));
    case UnaryOperation::expm1: ATTENTION_EACH(expm1f(x));
    case UnaryOperation::floor: ATTENTION_EACH(floorf(x));
    case UnaryOperation::is_finite: ATTENTION_EACH(isfinite(x) ? 1.0f : 0.0f);
    case UnaryOperation::is_inf: ATTENTION_EACH(isinf(x) ? 1.0f : 0.0f);
    case UnaryOperation::is_nan: ATTENTION_EACH(isnan(x) ? 1.0f : 0.0f);
    case UnaryOperation::leaky_relu: ATTENTION_EACH(x < 0.0f ? alpha * x : x);
    case UnaryOperation::log: ATTENTION_EACH(logf(x));
    case UnaryOperation::log1p: ATTENTION_EACH(log1pf(x));
    case UnaryOperation::logical_not: ATTENTION_EACH(x != 0.0f ? 0.0f : 1.0f);
    case UnaryOperation::neg: ATTENTION_EACH(-x);
    case UnaryOperation::reciprocal: ATTENTION_EACH(1.0f / x);
    case UnaryOperation::relu: ATTENTION_EACH(isnan(x) ? x : x > 0.0f ? x : 0.0f);
    case UnaryOperation::relu6: ATTENTION_EACH(isnan(x) ? x : x > 6.0f ? 6.0f : x > 0.0f ? x : 0.0f);
    case UnaryOperation::round: ATTENTION_EACH(rintf(x));
    case UnaryOperation::rsqrt: ATTENTION_EACH(rsqrtf(x));
    case UnaryOperation::selu: ATTENTION_EACH(x >= 0.0f ? 1.0507009873554805f * x : 1.7580993408473766f * expm1f(x));
    case UnaryOperation::sigmoid: ATTENTION_EACH(1.0f / (1.0f + expf(-x)));
    case UnaryOperation::sign: ATTENTION_EACH(x < 0.0f ? -1.0f : x > 0.0f ? 1.0f : 0.0f);
    case UnaryOperation::sin: ATTENTION_EACH(sinf(x));
    case UnaryOperation::sinh: ATTENTION_EACH(sinhf(x));
    case UnaryOperation::softplus: ATTENTION_EACH(x > 14.0f ? x : x < -14.0f ? expf(x) : log1pf(expf(x)));
    case UnaryOperation::sqrt: ATTENTION_EACH(sqrtf(x));
    case UnaryOperation::square: ATTENTION_EACH(x * x);
    case UnaryOperation::step: ATTENTION_EACH(isnan(x) ? x : x > 0.0f ? 1.0f : alpha);
    case UnaryOperation::tanh: ATTENTION_EACH(tanhf(x));
    case UnaryOperation::tan: ATTENTION_EACH(tangent(x));
  }
}

#undef ATTENTION_EACH

__device__ __forceinline__ int apply_unary(UnaryOperation operation, int x) {
  switch (operation) {
    case UnaryOperation::abs: return x < 0 ? int(-uint32_t(x)) : x;
    case UnaryOperation::logical_not: return x != 0 ? 0 : 1;
    case UnaryOperation::neg: return int(-uint32_t(x));
    case UnaryOperation::relu: return x > 0 ? x : 0;
    case UnaryOperation::relu6: return x > 6 ? 6 : x > 0 ? x : 0;
    case UnaryOperation::sign: return x < 0 ? -1 : x > 0 ? 1 : 0;
    case UnaryOperation::square: return int(uint32_t(x) * uint32_t(x));
    default: return x;
  }
}

template <int N>
__device__ __forceinline__ void apply_unary(UnaryOperation operation, int (&values)[N], float, float) {
#pragma unroll
  for (int i = 0; i < N; i++) values[i] = apply_unary(operation, values[i]);
}

/// One pack per thread.
template <typename Value>
__global__ void __launch_bounds__(256)
    unary_kernel(UnaryOperation operation, const void* x, ElementType x_type, void* output, ElementType output_type,
                 int64_t size, float alpha, float beta) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (index >= size) return;
  Value values[pack_elements] = {};
  load_some(values, x, x_type, index, size - index);
  apply_unary(operation, values, alpha, beta);
  store_some(output, output_type, index, values, size - index);
}

}  // namespace attention
