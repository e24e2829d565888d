#pragma once
// Operands of a block's matrix product. An operand consists of lines (rows of A, columns of B) along the depth, the
// dimension that is summed over. The kernel's own type says where lines are: gathered rows, one of many matrices, a
// transposed one.

#include "common/convert.cuh"

namespace attention {

/// `count` lines at a constant stride.
template <typename T>
struct StridedLines {
  const T* start;
  int64_t stride;
  int count;

  __device__ __forceinline__ const T* line(int i) const { return i < count ? start + i * stride : nullptr; }
};

/// An operand whose elements are contiguous along the depth. `lines.line(i)` returns the start of line i of the tile,
/// or null for a line that does not exist and whose products are zero. It is called once per tile and line, by several
/// threads.
template <typename T, typename Lines>
struct DepthContiguous {
  static constexpr bool depth_contiguous = true;
  Lines lines;
  bool aligned;  // line starts and the depth are multiples of 16 bytes

  /// Loads four elements of line i starting at k; zeros from `limit` on.
  __device__ __forceinline__ void load(float (&to)[4], int i, int k, int limit) const {
    const T* line = k < limit ? lines.line(i) : nullptr;
    if (aligned && line) return load_pack<4>(to, line + k);
#pragma unroll
    for (int j = 0; j < 4; j++) to[j] = line && k + j < limit ? to_float(line[k + j]) : 0.0f;
  }
};

/// An operand stored as a matrix [depth, lines], whose elements are contiguous across the depth.
template <typename T>
struct DepthStrided {
  static constexpr bool depth_contiguous = false;
  const T* start;  // first element of the first line
  int64_t stride;  // between steps of the depth, in elements
  int count;       // of lines
  bool aligned;    // `start`, `stride` and `count` are multiples of 16 bytes

  /// Loads step k of lines i to i + 3; zeros from `limit` on.
  __device__ __forceinline__ void load(float (&to)[4], int i, int k, int limit) const {
    const T* from = start + k * stride + i;
    if (aligned && k < limit && i < count) return load_pack<4>(to, from);
#pragma unroll
    for (int j = 0; j < 4; j++) to[j] = k < limit && i + j < count ? to_float(from[j]) : 0.0f;
  }
};

}  // namespace attention
