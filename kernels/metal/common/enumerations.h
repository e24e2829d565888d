// Written by `npm run enumerations` from packages/backend-common/src/enumerations.ts.
#pragma once

namespace attention {

enum class ElementType : int {
  float32 = 0,
  float16 = 1,
  bfloat16 = 2,
  int32 = 3,
  bool8 = 4,
  q4_0 = 5,
  q5_0 = 6,
  q8_0 = 7,
  q4_k = 8,
  q5_k = 9,
  q6_k = 10,
};

enum class UnaryOperation : int {
  abs = 0,
  acos = 1,
  acosh = 2,
  asin = 3,
  asinh = 4,
  atan = 5,
  atanh = 6,
  ceil = 7,
  clip_by_value = 8,
  cos = 9,
  cosh = 10,
  elu = 11,
  erf = 12,
  exp = 13,
  expm1 = 14,
  floor = 15,
  is_finite = 16,
  is_inf = 17,
  is_nan = 18,
  leaky_relu = 19,
  log = 20,
  log1p = 21,
  logical_not = 22,
  neg = 23,
  reciprocal = 24,
  relu = 25,
  relu6 = 26,
  round = 27,
  rsqrt = 28,
  selu = 29,
  sigmoid = 30,
  sign = 31,
  sin = 32,
  sinh = 33,
  softplus = 34,
  sqrt = 35,
  square = 36,
  step = 37,
  tanh = 38,
  tan = 39,
};

enum class BinaryOperation : int {
  add = 0,
  atan2 = 1,
  equal = 2,
  floor_div = 3,
  greater = 4,
  greater_equal = 5,
  less = 6,
  less_equal = 7,
  logical_and = 8,
  logical_or = 9,
  maximum = 10,
  minimum = 11,
  mod = 12,
  multiply = 13,
  not_equal = 14,
  pow = 15,
  prelu = 16,
  real_div = 17,
  squared_difference = 18,
  sub = 19,
};

enum class Reduction : int {
  sum = 0,
  mean = 1,
  prod = 2,
  max = 3,
  min = 4,
  all = 5,
  any = 6,
};

enum class MatMulActivation : int {
  linear = 0,
  relu = 1,
  relu6 = 2,
  elu = 3,
  leakyrelu = 4,
  sigmoid = 5,
};

enum class MoeActivation : int {
  silu = 0,
  gelu = 1,
  gelu_tanh = 2,
};

}  // namespace attention
