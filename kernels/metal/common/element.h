// Access to elements whose type is a function constant: one source serves every type, and each pipeline contains only
// the code for its own.
#pragma once
#include <metal_stdlib>
#include "common/enumerations.h"

using namespace metal;
using namespace attention;

inline bool is_integral(int type) {
  return ElementType(type) == ElementType::int32 || ElementType(type) == ElementType::bool8;
}

// Converts as a JavaScript Int32Array does: NaN and infinities become 0, other numbers wrap around. Floats of 2^31 and
// above are whole.
inline int to_int(float value) {
  if (fabs(value) < 2147483648.0f) return int(value);
  if (!(fabs(value) < INFINITY)) return 0;
  return as_type<int>(uint(value - 4294967296.0f * floor(value / 4294967296.0f)));
}
inline int to_int(int value) { return value; }

template <typename Value>
inline Value load_element(device const uchar* data, int type, size_t index) {
  switch (ElementType(type)) {
    case ElementType::float32: return Value(reinterpret_cast<device const float*>(data)[index]);
    case ElementType::float16: return Value(float(reinterpret_cast<device const half*>(data)[index]));
    case ElementType::bfloat16: return Value(float(reinterpret_cast<device const bfloat*>(data)[index]));
    case ElementType::int32: return Value(reinterpret_cast<device const int*>(data)[index]);
    default: return Value(data[index]);
  }
}

template <typename Value>
inline void store_element(device uchar* data, int type, size_t index, Value value) {
  switch (ElementType(type)) {
    case ElementType::float32: reinterpret_cast<device float*>(data)[index] = float(value); break;
    case ElementType::float16: reinterpret_cast<device half*>(data)[index] = half(float(value)); break;
    case ElementType::bfloat16: reinterpret_cast<device bfloat*>(data)[index] = bfloat(float(value)); break;
    case ElementType::int32: reinterpret_cast<device int*>(data)[index] = to_int(value); break;
    default: data[index] = value != Value(0) ? uchar(1) : uchar(0);
  }
}
