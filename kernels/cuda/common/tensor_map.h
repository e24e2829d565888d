#pragma once
// Tensor maps, which tell Hopper's copy engine the layout of a tensor. The host makes them and passes them to a kernel
// by value.

#include <cstdint>

#include "common/element_type.h"

namespace attention {

/// Has the layout of CUDA's CUtensorMap. A kernel takes it as `const __grid_constant__ TensorMap`.
struct alignas(64) TensorMap {
  uint64_t words[16];
};

constexpr int tensor_map_rank = 5;

/// A view of a tensor with five dimensions, innermost first. Innermost elements are contiguous. `data` and strides are
/// multiples of 16 bytes; strides need not be ascending, and dimensions may overlap. `box` is the extent of one copy,
/// at most 256 per dimension; its innermost row has 128 bytes.
struct TensorView {
  const void* data;
  ElementType type;  // float16 or bfloat16
  int64_t size[tensor_map_rank];
  int64_t stride_bytes[tensor_map_rank];  // the first is unused
  int box[tensor_map_rank];
};

/// Makes a map that copies boxes to rows of 128 bytes, dimension 1 first, with 128-byte swizzle: 16-byte chunk c of row
/// r, counted from a multiple of 1,024 bytes, is stored at chunk c ^ (r % 8). Throws ERR_DEVICE if the driver refuses.
TensorMap make_tensor_map(const TensorView& view);

}  // namespace attention
