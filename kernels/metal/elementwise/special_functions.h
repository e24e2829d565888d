// Functions that Metal's standard library lacks, accurate to about 1e-7.
#pragma once
#include <metal_stdlib>

using namespace metal;

// exp(x) - 1, without cancellation near 0.
inline float exp_minus_1(float x) {
  if (fabs(x) >= 0.5f) return precise::exp(x) - 1.0f;
  float sum = 0.0f;
  for (int n = 9; n > 1; n--) sum = (sum + 1.0f) * x / float(n);
  return x + x * sum;
}

// log(1 + x). The quotient corrects for the rounding of 1 + x.
inline float log_1_plus(float x) {
  const float sum = 1.0f + x;
  if (sum == 1.0f || !(fabs(x) < INFINITY)) return sum == 1.0f || isnan(x) || x > 0.0f ? x : NAN;
  return precise::log(sum) * (x / (sum - 1.0f));
}

// erf: its Maclaurin series near 0; elsewhere W. J. Cody's form of erfc with the Chebyshev fit of Press et al.
inline float error_function(float x) {
  const float a = fabs(x);
  if (a < 0.5f) {
    const float s = x * x;
    const float tail = s * (1.0f / 216.0f - s * (1.0f / 1320.0f - s / 9360.0f));
    return 1.1283791670955126f * (x + x * s * (-1.0f / 3.0f + s * (0.1f + s * (-1.0f / 42.0f + tail))));
  }
  const float t = 1.0f / (1.0f + 0.5f * a);
  const float fit = 1.00002368f + t * (0.37409196f + t * (0.09678418f + t * (-0.18628806f + t * (0.27886807f +
                    t * (-1.13520398f + t * (1.48851587f + t * (-0.82215223f + t * 0.17087277f)))))));
  const float complement = t * precise::exp(-a * a - 1.26551223f + t * fit);
  return isnan(x) ? x : x < 0.0f ? complement - 1.0f : 1.0f - complement;
}
