#pragma once
#include <metal_simdgroup_matrix>
#include <metal_stdlib>

#include "common/pack.h"

using namespace metal;

// One tile of a matrix product, computed by a threadgroup: operands are staged in threadgroup memory in steps along the
// depth (the summed dimension), products of 8x8 simdgroup matrices are accumulated in float, and the tile is left in
// threadgroup memory for the kernel to finish. Each operand is a type that knows where its elements come from: gathered
// rows, one of several matrices, or a transposed matrix.

/// Elements per 16-byte access.
template <typename T>
struct GemmPack {
  static constant constexpr uint size = 16 / sizeof(T);
};

/// Copies elements `first` to `first + length` of `lines` lines into a tile, whose lines are padded by one pack.
/// `source.line(i)` is the start of line i, or nullptr if there is none; elements from `limit` on do not exist either.
/// Both are replaced by zeros. `aligned`: lines start at a multiple of a pack, and `limit` is one.
template <uint lines, uint length, uint threads, typename T, typename Source>
inline void gemm_stage(threadgroup T* tile, Source source, uint first, uint limit, bool aligned, uint thread_index) {
  constexpr uint pack = GemmPack<T>::size;
  constexpr uint packs = length / pack;
  for (uint i = thread_index; i < lines * packs; i += threads) {
    const uint line = i / packs;
    const uint offset = i % packs * pack;
    const uint element = first + offset;
    threadgroup T* to = tile + line * (length + pack) + offset;
    device const T* from = element < limit ? source.line(line) : nullptr;
    if (from == nullptr) {
      for (uint j = 0; j < pack; j++) to[j] = T(0.0f);
    } else if (aligned) {
      *reinterpret_cast<threadgroup Pack<T, pack>*>(to) =
          *reinterpret_cast<device const Pack<T, pack>*>(from + element);
    } else {
      for (uint j = 0; j < pack; j++) to[j] = element + j < limit ? from[element + j] : T(0.0f);
    }
  }
}

/// An operand whose elements are contiguous along the depth: `rows.line(i)` is the start of row i of the tile.
template <typename T, typename Rows>
struct DepthContiguous {
  static constant constexpr bool depth_contiguous = true;
  Rows rows;
  uint depth;
  bool aligned;  // rows start at multiples of 16 bytes, and so is their length

  template <uint extent, uint step, uint threads>
  void stage(threadgroup T* tile, uint k, uint thread_index) const {
    gemm_stage<extent, step, threads>(tile, rows, k, depth, aligned, thread_index);
  }
};

/// `count` lines at a constant distance.
template <typename T>
struct StridedLines {
  device const T* start;
  ulong stride;
  uint count;

  device const T* line(uint i) const { return i < count ? start + i * stride : nullptr; }
};

/// An operand stored as [depth, columns]: its elements are contiguous across the depth.
template <typename T>
struct DepthStrided {
  static constant constexpr bool depth_contiguous = false;
  device const T* start;
  ulong stride;  // elements from one step of the depth to the next
  uint depth;
  uint first;    // the tile's first column
  uint columns;
  bool aligned;  // lines and the tile start at multiples of 16 bytes, and so is the lines' length

  template <uint extent, uint step, uint threads>
  void stage(threadgroup T* tile, uint k, uint thread_index) const {
    const StridedLines<T> lines = {start + k * stride, stride, depth - k};
    gemm_stage<step, extent, threads>(tile, lines, first, columns, aligned, thread_index);
  }
};

/// A tile of `row_count` by `column_count` products, computed by `row_simdgroups` times `column_simdgroups` simdgroups.
template <typename T, uint row_count, uint column_count, uint row_simdgroups, uint column_simdgroups>
struct GemmTile {
  static constant constexpr uint rows = row_count;
  static constant constexpr uint columns = column_count;
  static constant constexpr uint threads = 32 * row_simdgroups * column_simdgroups;
  static constant constexpr uint step = 64 / sizeof(T);  // depth staged at once
  static constant constexpr uint pack = GemmPack<T>::size;
  static constant constexpr uint pitch = columns + 4;  // floats from one row of the products to the next

  // Padded along both dimensions: enough for either layout of an operand.
  static constant constexpr uint a_elements = (rows + pack) * (step + pack);
  static constant constexpr uint b_elements = (columns + pack) * (step + pack);
  static constant constexpr uint operand_bytes = (a_elements + b_elements) * sizeof(T);
  static constant constexpr uint product_bytes = rows * pitch * sizeof(float);
  /// Length of the float4 array in threadgroup memory that multiply() needs.
  static constant constexpr uint memory_size = ((operand_bytes > product_bytes ? operand_bytes : product_bytes) + 15) / 16;

  /// Multiplies A's rows by B's columns; element [r * pitch + c] of the result is row r, column c. All threads of the
  /// threadgroup must call it.
  template <typename A, typename B>
  static threadgroup float* multiply(threadgroup float4* memory, A a, B b, uint depth, uint thread_index,
                                     uint simdgroup) {
    constexpr uint row_matrices = rows / row_simdgroups / 8;
    constexpr uint column_matrices = columns / column_simdgroups / 8;
    const uint first_row = simdgroup / column_simdgroups * row_matrices * 8;
    const uint first_column = simdgroup % column_simdgroups * column_matrices * 8;
    threadgroup T* a_tile = reinterpret_cast<threadgroup T*>(memory);
    threadgroup T* b_tile = a_tile + a_elements;

    simdgroup_matrix<float, 8, 8> sums[row_matrices][column_matrices];
    for (uint i = 0; i < row_matrices; i++) {
      for (uint j = 0; j < column_matrices; j++) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
    for (uint k = 0; k < depth; k += step) {
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the previous step has been read
      a.template stage<rows, step, threads>(a_tile, k, thread_index);
      b.template stage<columns, step, threads>(b_tile, k, thread_index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (uint d = 0; d < step; d += 8) {
        simdgroup_matrix<T, 8, 8> a_matrices[row_matrices];
        simdgroup_matrix<T, 8, 8> b_matrix;
        for (uint i = 0; i < row_matrices; i++) {
          load<A::depth_contiguous, rows>(a_matrices[i], a_tile, first_row + 8 * i, d, false);
        }
        for (uint j = 0; j < column_matrices; j++) {
          load<B::depth_contiguous, columns>(b_matrix, b_tile, first_column + 8 * j, d, true);
          for (uint i = 0; i < row_matrices; i++) {
            simdgroup_multiply_accumulate(sums[i][j], a_matrices[i], b_matrix, sums[i][j]);
          }
        }
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the products overwrite the operands
    threadgroup float* products = reinterpret_cast<threadgroup float*>(memory);
    for (uint i = 0; i < row_matrices; i++) {
      for (uint j = 0; j < column_matrices; j++) {
        simdgroup_store(sums[i][j], products + (first_row + 8 * i) * pitch + first_column + 8 * j, pitch);
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return products;
  }

 private:
  /// Loads lines `line` to `line + 8` at depths `d` to `d + 8` of a staged operand. `columnwise`: the depth runs down
  /// the matrix.
  template <bool depth_contiguous, uint extent>
  static void load(thread simdgroup_matrix<T, 8, 8>& matrix, threadgroup const T* tile, uint line, uint d,
                   bool columnwise) {
    if (depth_contiguous) {
      simdgroup_load(matrix, tile + line * (step + pack) + d, step + pack, ulong2(0), columnwise);
    } else {
      simdgroup_load(matrix, tile + d * (extent + pack) + line, extent + pack, ulong2(0), !columnwise);
    }
  }
};

/// Multiplies a row of x by `count` rows of weights with one simdgroup, which reads every element once: for few rows,
/// where reading the weights takes all the time. Adds each lane's share times `factor` to `sums`; simd_sum() completes
/// them.
template <uint count, typename T>
inline void gemm_rows(thread float* sums, float factor, device const T* x, device const T* weights, uint depth,
                      uint num_weights, bool aligned, uint lane) {
  constexpr uint pack = GemmPack<T>::size;
  device const T* rows[count];
  float parts[count];
  for (uint i = 0; i < count; i++) {
    rows[i] = weights + ulong(min(i, num_weights - 1)) * depth;  // repeats the last row instead of reading past it
    parts[i] = 0.0f;
  }
  if (aligned) {
    for (uint k = lane * pack; k < depth; k += 32 * pack) {
      float elements[pack];
      load_pack<pack>(elements, x + k);
      for (uint i = 0; i < count; i++) {
        float row[pack];
        load_pack<pack>(row, rows[i] + k);
        for (uint j = 0; j < pack; j++) parts[i] = fma(elements[j], row[j], parts[i]);
      }
    }
  } else {
    for (uint k = lane; k < depth; k += 32) {
      const float element = float(x[k]);
      for (uint i = 0; i < count; i++) parts[i] = fma(element, float(rows[i][k]), parts[i]);
    }
  }
  for (uint i = 0; i < count; i++) sums[i] += factor * parts[i];
}
