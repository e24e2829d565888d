// Elements whose type a function constant gives: one function serves every type, and the pipeline holds one of them.
#pragma once
#include <metal_stdlib>

using namespace metal;

// As in element_type.ts.
constant constexpr int element_float = 0;
constant constexpr int element_half = 1;
constant constexpr int element_bfloat = 2;
constant constexpr int element_int = 3;
constant constexpr int element_bool = 4;

// What an Int32Array makes of a number: NaN and infinities are 0, the rest wraps. From 2^31 on, floats are whole.
inline int to_int(float value) {
  if (fabs(value) < 2147483648.0f) return int(value);
  if (!(fabs(value) < INFINITY)) return 0;
  return as_type<int>(uint(value - 4294967296.0f * floor(value / 4294967296.0f)));
}
inline int to_int(int value) { return value; }

template <typename Value>
inline Value load_element(device const uchar* data, int type, size_t index) {
  switch (type) {
    case element_float: return Value(reinterpret_cast<device const float*>(data)[index]);
    case element_half: return Value(float(reinterpret_cast<device const half*>(data)[index]));
    case element_bfloat: return Value(float(reinterpret_cast<device const bfloat*>(data)[index]));
    case element_int: return Value(reinterpret_cast<device const int*>(data)[index]);
    default: return Value(data[index]);
  }
}

template <typename Value>
inline void store_element(device uchar* data, int type, size_t index, Value value) {
  switch (type) {
    case element_float: reinterpret_cast<device float*>(data)[index] = float(value); break;
    case element_half: reinterpret_cast<device half*>(data)[index] = half(float(value)); break;
    case element_bfloat: reinterpret_cast<device bfloat*>(data)[index] = bfloat(float(value)); break;
    case element_int: reinterpret_cast<device int*>(data)[index] = to_int(value); break;
    default: data[index] = value != Value(0) ? uchar(1) : uchar(0);
  }
}
