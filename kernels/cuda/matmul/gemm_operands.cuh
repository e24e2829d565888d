#pragma once
// Operands of a matrix product, as a block sees them: lines (rows of A, columns of B) along the depth, which is the
// summed dimension. Where the elements come from is up to a type of the kernel's: gathered rows, one of many matrices,
// a transposed one.

#include "common/convert.cuh"

namespace attention {

/// Lines at a constant distance, `count` of them.
template <typename T>
struct StridedLines {
  const T* start;
  int64_t stride;
  int count;

  __device__ __forceinline__ const T* line(int i) const { return i < count ? start + i * stride : nullptr; }
};

/// An operand whose elements are contiguous along the depth: `lines.line(i)` is where line i of the tile begins, or
/// null for none, whose products are then zeros. `line` is called once a tile and line, by several threads.
template <typename T, typename Lines>
struct DepthContiguous {
  static constexpr bool depth_contiguous = true;
  Lines lines;
  bool aligned;  // lines begin at multiples of 16 bytes, and the depth is one

  /// Four elements of line i from k on; zeros from `limit` on.
  __device__ __forceinline__ void load(float (&to)[4], int i, int k, int limit) const {
    const T* line = k < limit ? lines.line(i) : nullptr;
    if (aligned && line) return load_pack<4>(to, line + k);
#pragma unroll
    for (int j = 0; j < 4; j++) to[j] = line && k + j < limit ? to_float(line[k + j]) : 0.0f;
  }
};

/// A matrix [depth, lines] as an operand: its elements are contiguous across the depth.
template <typename T>
struct DepthStrided {
  static constexpr bool depth_contiguous = false;
  const T* start;  // of the first line
  int64_t stride;  // elements from one step of the depth to the next
  int count;       // of lines from the first one on
  bool aligned;    // the first line and each step of the depth begin at multiples of 16 bytes, and `count` is one

  /// Step k of lines i to i + 3; zeros from `limit` on.
  __device__ __forceinline__ void load(float (&to)[4], int i, int k, int limit) const {
    const T* from = start + k * stride + i;
    if (aligned && k < limit && i < count) return load_pack<4>(to, from);
#pragma unroll
    for (int j = 0; j < 4; j++) to[j] = k < limit && i + j < count ? to_float(from[j]) : 0.0f;
  }
};

}  // namespace attention
