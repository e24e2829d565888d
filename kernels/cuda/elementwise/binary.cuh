#pragma once
// Elementwise functions of two operands, broadcast by strides.

#include "elementwise/binary_functions.cuh"
#include "common/element.cuh"
#include "common/strides.h"

namespace attention {

// The loop is inside the switch, so that the operation is chosen once per pack.
#define ATTENTION_EACH(expression)                    \
  do {                                                \
    _Pragma("unroll") for (int i = 0; i < N; i++) {   \
      const Value a = left[i];                        \
      const Value b = right[i];                       \
      left[i] = Value(expression);                    \
    }                                                 \
    return;                                           \
  } while (false)

/// Writes the results to `left`.
template <int N, typename Value>
__device__ __forceinline__ void apply_binary(BinaryOperation operation, Value (&left)[N], const Value (&right)[N]) {
  constexpr Value zero = Value(0);
  switch (operation) {
    case BinaryOperation::add: ATTENTION_EACH(add(a, b));
    case BinaryOperation::atan2: ATTENTION_EACH(angle(a, b));
    case BinaryOperation::equal: ATTENTION_EACH(a == b);
    case BinaryOperation::floor_div: ATTENTION_EACH(floor_quotient(a, b));
    case BinaryOperation::greater: ATTENTION_EACH(a > b);
    case BinaryOperation::greater_equal: ATTENTION_EACH(a >= b);
    case BinaryOperation::less: ATTENTION_EACH(a < b);
    case BinaryOperation::less_equal: ATTENTION_EACH(a <= b);
    case BinaryOperation::logical_and: ATTENTION_EACH(a != zero && b != zero);
    case BinaryOperation::logical_or: ATTENTION_EACH(a != zero || b != zero);
    case BinaryOperation::maximum: ATTENTION_EACH(larger(a, b));
    case BinaryOperation::minimum: ATTENTION_EACH(smaller(a, b));
    case BinaryOperation::mod: ATTENTION_EACH(modulo(a, b));
    case BinaryOperation::multiply: ATTENTION_EACH(multiply(a, b));
    case BinaryOperation::not_equal: ATTENTION_EACH(a != b);
    case BinaryOperation::pow: ATTENTION_EACH(power(a, b));
    case BinaryOperation::prelu: ATTENTION_EACH(a < zero ? multiply(a, b) : a);
    case BinaryOperation::real_div: ATTENTION_EACH(quotient(a, b));
    case BinaryOperation::squared_difference: ATTENTION_EACH(multiply(subtract(a, b), subtract(a, b)));
    case BinaryOperation::sub: ATTENTION_EACH(subtract(a, b));
  }
}

#undef ATTENTION_EACH

/// Packs of an operand that is contiguous or broadcast along the last axis.
struct PackedOperand {
  const void* data;
  ElementType type;
  bool repeats;
  RawPack raw;

  __device__ __forceinline__ PackedOperand(const void* data, ElementType type, bool repeats)
      : data(data), type(type), repeats(repeats) {}

  __device__ __forceinline__ void begin(int64_t offset, int64_t count) {
    if (!repeats && count >= pack_elements) load_raw(raw, data, type, offset);
  }

  template <typename Value>
  __device__ __forceinline__ void finish(Value (&to)[pack_elements], int64_t offset, int64_t count) {
    if (repeats) {
      const Value value = load_element<Value>(data, type, offset);
#pragma unroll
      for (int i = 0; i < pack_elements; i++) to[i] = value;
    } else if (count >= pack_elements) {
      convert_raw(to, raw, type);
    } else {
#pragma unroll
      for (int i = 0; i < pack_elements; i++) {
        to[i] = i < count ? load_element<Value>(data, type, offset + i) : Value(0);
      }
    }
  }
};

/// One pack per thread, which lies in one row of the walk. Both loads are in flight before either is used.
template <typename Value>
__global__ void __launch_bounds__(256)
    binary_packs_kernel(BinaryOperation operation, const void* a, ElementType a_type, const void* b,
                        ElementType b_type, void* output, ElementType output_type, const Walk<2> walk) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (index >= walk.size) return;
  int64_t offsets[2];
  walk.offsets(index, offsets);
  const int64_t count = walk.size - index;
  PackedOperand left_operand(a, a_type, walk.strides[0][0] == 0);
  PackedOperand right_operand(b, b_type, walk.strides[1][0] == 0);
  left_operand.begin(offsets[0], count);
  right_operand.begin(offsets[1], count);
  Value left[pack_elements];
  Value right[pack_elements];
  left_operand.finish(left, offsets[0], count);
  right_operand.finish(right, offsets[1], count);
  apply_binary(operation, left, right);
  store_some(output, output_type, index, left, count);
}

/// For any strides: one element at a time.
template <typename Value>
__global__ void __launch_bounds__(256)
    binary_elements_kernel(BinaryOperation operation, const void* a, ElementType a_type, const void* b,
                           ElementType b_type, void* output, ElementType output_type, const Walk<2> walk) {
  walk_apart<pack_elements>(walk, [&](int64_t index, const int64_t (&offsets)[2]) {
    Value left[1] = {load_element<Value>(a, a_type, offsets[0])};
    const Value right[1] = {load_element<Value>(b, b_type, offsets[1])};
    apply_binary(operation, left, right);
    store_element(output, output_type, index, left[0]);
  });
}

}  // namespace attention
