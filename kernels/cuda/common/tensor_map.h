#pragma once
// What Hopper's copy engine must know of a tensor: made on the host, passed to the kernel by value.

#include <cstdint>

#include "common/element_type.h"

namespace attention {

/// CUDA's CUtensorMap. A kernel takes it as `const __grid_constant__ TensorMap`.
struct alignas(64) TensorMap {
  uint64_t words[16];
};

constexpr int tensor_map_rank = 5;

/// A tensor of five dimensions, innermost first, whose innermost elements follow each other. `data` and strides are
/// multiples of 16 bytes; strides need not grow, and dimensions may overlap. `box` is what one copy brings, at most 256
/// each way; its innermost row has 128 bytes.
struct TensorView {
  const void* data;
  ElementType type;  // of 2 bytes
  int64_t size[tensor_map_rank];
  int64_t stride_bytes[tensor_map_rank];  // the first is not used
  int box[tensor_map_rank];
};

/// A map by which boxes arrive as rows of 128 bytes, dimension 1 first, swizzled: 16-byte chunk c of row r of shared
/// memory, counted from a multiple of 1,024 bytes, lies at chunk c ^ (r % 8).
/// Throws ERR_DEVICE if the driver refuses.
TensorMap make_tensor_map(const TensorView& view);

}  // namespace attention
