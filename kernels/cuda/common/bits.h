#pragma once
// Copies of elements as raw bits: types chosen by size, and the widest possible access.

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "common/element_type.h"
#include "common/error.h"

namespace attention {

/// Calls `body` with the tag of a type of `bytes` bytes.
template <typename Body>
void with_bits(int bytes, Body&& body) {
  switch (bytes) {
    case 1: return body(TypeTag<uint8_t>{});
    case 2: return body(TypeTag<uint16_t>{});
    case 4: return body(TypeTag<uint32_t>{});
    case 8: return body(TypeTag<uint2>{});
    case 16: return body(TypeTag<uint4>{});
    default: throw DeviceError("ERR_DTYPE", "expected elements of 1 to 16 bytes, received " + std::to_string(bytes));
  }
}

/// Size in bytes of the widest access, at most 16, that divides all of `byte_counts`, which are multiples of `bytes`.
inline int widest_access(int bytes, std::initializer_list<int64_t> byte_counts) {
  while (bytes < 16) {
    for (const int64_t count : byte_counts) {
      if (count % (2 * bytes) != 0) return bytes;
    }
    bytes *= 2;
  }
  return bytes;
}

}  // namespace attention
