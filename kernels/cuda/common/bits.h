#pragma once
// Elements that are copied bit for bit: by their size, and in accesses that are as wide as can be.

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "common/element_type.h"
#include "common/error.h"

namespace attention {

/// Calls `body` with the tag of a type of so many bytes.
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

/// Bytes of the widest access, 16 at most, that divides all of `byte_counts`, multiples of `bytes`.
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
