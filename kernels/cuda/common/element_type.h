#pragma once
// Element types of tensors, and how a launcher dispatches from a type to a C++ template.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "common/enumerations.h"
#include "common/error.h"

namespace attention {

using float16 = __half;
using bfloat16 = __nv_bfloat16;

constexpr int element_bytes(ElementType type) {
  return type == ElementType::bool8                                           ? 1
         : type == ElementType::float16 || type == ElementType::bfloat16 ? 2
                                                                              : 4;
}

/// A weight of elements or of blocks, as a launcher that takes block types receives it.
struct WeightOperand {
  void* data = nullptr;
  ElementType type = ElementType::float32;
};

/// A tensor as a launcher receives it: device memory and element type. `data` is null if there is no tensor.
struct Operand {
  void* data = nullptr;
  ElementType type = ElementType::float32;

  template <typename T>
  __host__ __device__ T* as() const {
    return static_cast<T*>(data);
  }
  explicit operator bool() const { return data != nullptr; }
};

/// A tensor whose element type is fixed: float or int, possibly const.
template <typename T>
struct TypedOperand {
  static constexpr ElementType element_type =
      std::is_same_v<std::remove_const_t<T>, float> ? ElementType::float32 : ElementType::int32;
  static_assert(sizeof(T) == 4);

  T* data = nullptr;
  ElementType type = element_type;

  __host__ __device__ operator T*() const { return data; }
};

template <typename T>
constexpr bool is_typed_operand = false;
template <typename T>
constexpr bool is_typed_operand<TypedOperand<T>> = true;

/// Hands a C++ type to a generic lambda: `[&](auto tag) { using T = typename decltype(tag)::type; … }`.
template <typename T>
struct TypeTag {
  using type = T;
};

/// Calls `body` with the tag of a storage type: float, float16 or bfloat16.
template <typename Body>
void with_float_type(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::float32: return body(TypeTag<float>{});
    case ElementType::float16: return body(TypeTag<float16>{});
    case ElementType::bfloat16: return body(TypeTag<bfloat16>{});
    default: throw DeviceError("ERR_DTYPE", "expected a float type, received type " + std::to_string(int(type)));
  }
}

/// Calls `body` with the tag of float16 or bfloat16, the types that tensor cores multiply.
template <typename Body>
void with_half_type(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::float16: return body(TypeTag<float16>{});
    case ElementType::bfloat16: return body(TypeTag<bfloat16>{});
    default: throw DeviceError("ERR_DTYPE", "expected a half type, received type " + std::to_string(int(type)));
  }
}

/// Calls `body` with std::true_type or std::false_type.
template <typename Body>
void with_flag(bool flag, Body&& body) {
  if (flag) {
    body(std::true_type{});
  } else {
    body(std::false_type{});
  }
}

}  // namespace attention
