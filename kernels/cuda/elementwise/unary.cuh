#pragma once
// Functions of one element.

#include "common/element.cuh"

namespace attention {

/// Near its poles tanf is further from it than tfjs's own tests allow.
__device__ __noinline__ inline float tangent(float x) { return float(tan(double(x))); }

// One choice of the operation for a whole pack.
#define ATTENTION_EACH(expression)                \
  do {                                            \
    _Pragma("unroll") for (int i = 0; i < N; i++) { \
      const float x = values[i];                  \
      values[i] = expression;                     \
    }                                             \
    return;                                       \
  } while (false)

/// `operation` is an index into the table of unary.ts.
template <int N>
__device__ __forceinline__ void apply_unary(int operation, float (&values)[N], float alpha, float beta) {
  switch (operation) {
    case 0: ATTENTION_EACH(fabsf(x));
    case 1: ATTENTION_EACH(acosf(x));
    case 2: ATTENTION_EACH(acoshf(x));
    case 3: ATTENTION_EACH(asinf(x));
    case 4: ATTENTION_EACH(asinhf(x));
    case 5: ATTENTION_EACH(atanf(x));
    case 6: ATTENTION_EACH(atanhf(x));
    case 7: ATTENTION_EACH(ceilf(x));
    case 8: ATTENTION_EACH(x > beta ? beta : x < alpha ? alpha : x);
    case 9: ATTENTION_EACH(cosf(x));
    case 10: ATTENTION_EACH(coshf(x));
    case 11: ATTENTION_EACH(x >= 0.0f ? x : expm1f(x));
    case 12: ATTENTION_EACH(erff(x));
    case 13: ATTENTION_EACH(expf(x));
    case 14: ATTENTION_EACH(expm1f(x));
    case 15: ATTENTION_EACH(floorf(x));
    case 16: ATTENTION_EACH(isfinite(x) ? 1.0f : 0.0f);
    case 17: ATTENTION_EACH(isinf(x) ? 1.0f : 0.0f);
    case 18: ATTENTION_EACH(isnan(x) ? 1.0f : 0.0f);
    case 19: ATTENTION_EACH(x < 0.0f ? alpha * x : x);
    case 20: ATTENTION_EACH(logf(x));
    case 21: ATTENTION_EACH(log1pf(x));
    case 22: ATTENTION_EACH(x != 0.0f ? 0.0f : 1.0f);
    case 23: ATTENTION_EACH(-x);
    case 24: ATTENTION_EACH(1.0f / x);
    case 25: ATTENTION_EACH(isnan(x) ? x : x > 0.0f ? x : 0.0f);
    case 26: ATTENTION_EACH(isnan(x) ? x : x > 6.0f ? 6.0f : x > 0.0f ? x : 0.0f);
    case 27: ATTENTION_EACH(rintf(x));
    case 28: ATTENTION_EACH(rsqrtf(x));
    case 29: ATTENTION_EACH(x >= 0.0f ? 1.0507009873554805f * x : 1.7580993408473766f * expm1f(x));
    case 30: ATTENTION_EACH(1.0f / (1.0f + expf(-x)));
    case 31: ATTENTION_EACH(x < 0.0f ? -1.0f : x > 0.0f ? 1.0f : 0.0f);
    case 32: ATTENTION_EACH(sinf(x));
    case 33: ATTENTION_EACH(sinhf(x));
    case 34: ATTENTION_EACH(x > 14.0f ? x : x < -14.0f ? expf(x) : log1pf(expf(x)));
    case 35: ATTENTION_EACH(sqrtf(x));
    case 36: ATTENTION_EACH(x * x);
    case 37: ATTENTION_EACH(isnan(x) ? x : x > 0.0f ? 1.0f : alpha);
    case 38: ATTENTION_EACH(tanhf(x));
    default: ATTENTION_EACH(tangent(x));
  }
}

#undef ATTENTION_EACH

__device__ __forceinline__ int apply_unary(int operation, int x) {
  switch (operation) {
    case 0: return x < 0 ? int(-uint32_t(x)) : x;
    case 22: return x != 0 ? 0 : 1;
    case 23: return int(-uint32_t(x));
    case 25: return x > 0 ? x : 0;
    case 26: return x > 6 ? 6 : x > 0 ? x : 0;
    case 31: return x < 0 ? -1 : x > 0 ? 1 : 0;
    case 36: return int(uint32_t(x) * uint32_t(x));
    default: return x;
  }
}

template <int N>
__device__ __forceinline__ void apply_unary(int operation, int (&values)[N], float, float) {
#pragma unroll
  for (int i = 0; i < N; i++) values[i] = apply_unary(operation, values[i]);
}

/// A thread takes a pack.
template <typename Value>
__global__ void __launch_bounds__(256)
    unary_kernel(int operation, const void* x, ElementType x_type, void* output, ElementType output_type, int64_t size,
                 float alpha, float beta) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (index >= size) return;
  Value values[pack_elements] = {};
  load_some(values, x, x_type, index, size - index);
  apply_unary(operation, values, alpha, beta);
  store_some(output, output_type, index, values, size - index);
}

}  // namespace attention
