#pragma once
// Activation functions of gated MLPs. `Fast` selects approximate intrinsics, for results that are rounded to 16 bits.

#include <cuda_runtime.h>

namespace attention {

/// numerator / (1 + exp(-exponent)), without overflow for any input.
template <bool Fast>
__device__ __forceinline__ float times_sigmoid(float numerator, float exponent) {
  if constexpr (Fast) {
    return __fdividef(numerator, 1.0f + __expf(-exponent));
  } else {
    return numerator / (1.0f + expf(-exponent));
  }
}

/// x · sigmoid(x).
struct Silu {
  template <bool Fast>
  static __device__ __forceinline__ float apply(float x) {
    return times_sigmoid<Fast>(x, x);
  }
};

/// x · Φ(x), with the exact error function. Uses erfc, the smaller tail, so that nothing cancels.
struct Gelu {
  template <bool Fast>
  static __device__ __forceinline__ float apply(float x) {
    constexpr float sqrt_half = 0.70710678118654752f;
    return 0.5f * x * erfcf(-sqrt_half * x);
  }
};

/// GELU's tanh approximation, written as (1 + tanh(z)) / 2 = sigmoid(2z), which stays accurate in the small tail.
struct GeluTanh {
  template <bool Fast>
  static __device__ __forceinline__ float apply(float x) {
    constexpr float twice_sqrt_two_over_pi = 1.5957691216057308f;
    return times_sigmoid<Fast>(x, twice_sqrt_two_over_pi * (x + 0.044715f * x * x * x));
  }
};

}  // namespace attention
