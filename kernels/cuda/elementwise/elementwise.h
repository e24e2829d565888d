#pragma once
// Grids and type dispatch of elementwise and row kernels.

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

constexpr int elementwise_threads = 256;

/// One thread per `per_thread` items.
inline Grid elementwise_grid(int64_t items, int per_thread) {
  return {.blocks = divide_up<int64_t>(items, int64_t(elementwise_threads) * per_thread),
          .threads = elementwise_threads};
}

/// Whether the tensor's data is aligned to 16 bytes, as packs require.
inline bool is_aligned(const Operand& operand) { return reinterpret_cast<uintptr_t>(operand.data) % 16 == 0; }

/// Whether kernels compute with this type as float; otherwise as int.
constexpr bool is_float(ElementType type) { return type != ElementType::int32 && type != ElementType::bool8; }

/// Calls `body` with the tag of float or int.
template <typename Body>
void with_compute_type(bool as_float, Body&& body) {
  if (as_float) {
    body(TypeTag<float>{});
  } else {
    body(TypeTag<int>{});
  }
}

/// Threads per row: a power of two, at most `most`.
inline int row_threads(int64_t length, int per_thread, int most) {
  int threads = 32;
  while (threads < most && int64_t(threads) * per_thread < length) threads *= 2;
  return threads;
}

/// A grid with `threads` threads per row. If a row has one warp, a block takes 8 rows.
inline Grid row_grid(int64_t rows, int threads) {
  const int rows_per_block = threads == 32 ? 8 : 1;
  return {.blocks = divide_up<int64_t>(rows, rows_per_block), .threads = dim3(threads, rows_per_block)};
}

}  // namespace attention
