#pragma once
// The tiled matrix product and the epilogue of all products: bias, activation, rounding. A block computes one tile of
// one batch. If there are too few tiles to fill the device, the depth is split (split-K): each split writes its partial
// sums in float32, and a second kernel adds them in a fixed order.

#include "matmul/gemm.cuh"
#include "matmul/gemm_fma.cuh"
#include "matmul/matmul.h"
#include "common/shared_memory.cuh"

namespace attention {

/// A batch of products, as kernels receive it.
template <typename T>
struct MatmulOperands {
  const T* a;
  const T* b;
  const T* bias;  // null: none
  T* output;
  int64_t a_batch_strides[max_batch_rank];
  int64_t b_batch_strides[max_batch_rank];
  int batch_shape[max_batch_rank];
  int batches;
  int rows;
  int columns;
  int depth;
  int bias_stride;  // 0: one bias for all columns
  MatMulActivation activation;
  float slope;          // of leakyrelu
  bool aligned_a;       // whole 16-byte packs of a may be read
  bool aligned_b;
  bool aligned_output;  // whole 16-byte packs may be written
};

/// The splits of the depth.
struct MatmulSplits {
  float* sums;  // [split, batch, row, column] partial sums; null for one split
  int depth;    // per split
};

__device__ __forceinline__ int64_t batch_offset(const int64_t (&strides)[max_batch_rank],
                                                const int (&shape)[max_batch_rank], int batch) {
  if (batch == 0) return 0;  // the common case; divisions are slow
  int64_t offset = 0;
#pragma unroll
  for (int axis = max_batch_rank; axis-- > 0;) {
    offset += strides[axis] * (batch % shape[axis]);
    batch /= shape[axis];
  }
  return offset;
}

__device__ __forceinline__ float activated(float x, MatMulActivation activation, float slope) {
  switch (activation) {
    case MatMulActivation::relu: return x < 0.0f ? 0.0f : x;
    case MatMulActivation::relu6: return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
    case MatMulActivation::elu: return x >= 0.0f ? x : expm1f(x);
    case MatMulActivation::leakyrelu: return x < 0.0f ? slope * x : x;
    case MatMulActivation::sigmoid: return 1.0f / (1.0f + expf(-x));
    default: return x;
  }
}

/// The epilogue of one element: bias and activation, before rounding.
template <typename T>
__device__ __forceinline__ float finished(const MatmulOperands<T>& operands, int column, float sum) {
  if (operands.bias) sum += to_float(operands.bias[int64_t(column) * operands.bias_stride]);
  return activated(sum, operands.activation, operands.slope);
}

/// Stores an element's partial sum for a split, or the finished element if there is only one split.
template <typename T>
__device__ __forceinline__ void store_sum(const MatmulOperands<T>& operands, const MatmulSplits& splits, int split,
                                          int batch, int row, int column, float sum) {
  const int64_t at = (int64_t(batch) * operands.rows + row) * operands.columns + column;
  if (splits.sums) {
    splits.sums[int64_t(split) * operands.batches * operands.rows * operands.columns + at] = sum;
  } else {
    operands.output[at] = from_float<T>(finished(operands, column, sum));
  }
}

/// The same for a tile whose sums are in shared memory.
template <typename Tile, typename T>
__device__ __forceinline__ void store_tile(float* sums, const MatmulOperands<T>& operands, const MatmulSplits& splits,
                                           int batch, int first_row, int first_column) {
  constexpr int pack = pack_size<T>;
  constexpr int packs = Tile::columns / pack;
  for (int i = threadIdx.x; i < Tile::rows * packs; i += Tile::threads) {
    const int row = first_row + i / packs;
    const int column = first_column + i % packs * pack;
    if (row >= operands.rows || column >= operands.columns) continue;
    float* from = sums + i / packs * Tile::pitch + i % packs * pack;
    if (!operands.aligned_output) {
      const int count = min(pack, operands.columns - column);
#pragma unroll 1
      for (int j = 0; j < count; j++) store_sum(operands, splits, blockIdx.y, batch, row, column + j, from[j]);
      continue;
    }
    const int64_t at = (int64_t(batch) * operands.rows + row) * operands.columns + column;
    float values[pack];
    if (!splits.sums) {
      if (operands.activation != MatMulActivation::linear || (operands.bias && operands.bias_stride == 0)) {
#pragma unroll 1
        for (int j = 0; j < pack; j++) from[j] = finished(operands, column + j, from[j]);
        load_pack<pack>(values, static_cast<const float*>(from));
      } else {
        load_pack<pack>(values, static_cast<const float*>(from));
        if (operands.bias) {
          float addends[pack];
          load_pack<pack>(addends, operands.bias + column);
#pragma unroll
          for (int j = 0; j < pack; j++) values[j] += addends[j];
        }
      }
      store_pack<pack>(operands.output + at, values);
    } else {
      load_pack<pack>(values, static_cast<const float*>(from));
      store_pack<pack>(splits.sums + int64_t(blockIdx.y) * operands.batches * operands.rows * operands.columns + at,
                       values);
    }
  }
}

/// The operand of lines `first` and up of a matrix [lines, depth], or [depth, lines] if not `Contiguous`.
template <bool Contiguous, typename T>
__device__ __forceinline__ auto matrix_operand(const T* matrix, int first, int lines, int depth, bool aligned) {
  if constexpr (Contiguous) {
    return DepthContiguous<T, StridedLines<T>>{{matrix + int64_t(first) * depth, depth, lines - first}, aligned};
  } else {
    return DepthStrided<T>{matrix + first, lines, lines - first, aligned};
  }
}

/// Each block computes a tile, for split blockIdx.y of the depth. Tiles are numbered in groups of 8 rows of tiles,
/// column by column, so that blocks that run concurrently share lines of both operands in the L2 cache.
template <typename Tile, bool ContiguousA, bool ContiguousB>
__global__ __launch_bounds__(Tile::threads, Tile::min_blocks) void matmul_tiles_kernel(
    const MatmulOperands<typename Tile::Element> operands, const MatmulSplits splits) {
  constexpr int group_rows = 8;
  const int row_tiles = (operands.rows + Tile::rows - 1) / Tile::rows;
  const int column_tiles = (operands.columns + Tile::columns - 1) / Tile::columns;
  const int batch = blockIdx.x / (row_tiles * column_tiles);
  const int tile = blockIdx.x % (row_tiles * column_tiles);
  const int group = tile / (group_rows * column_tiles);
  const int in_group = tile % (group_rows * column_tiles);
  const int rows_of_group = min(group_rows, row_tiles - group * group_rows);
  const int first_row = (group * group_rows + in_group % rows_of_group) * Tile::rows;
  const int first_column = in_group / rows_of_group * Tile::columns;

  const int first = blockIdx.y * splits.depth;
  const int limit = min(operands.depth, first + splits.depth);
  const auto a = matrix_operand<ContiguousA>(
      operands.a + batch_offset(operands.a_batch_strides, operands.batch_shape, batch), first_row, operands.rows,
      operands.depth, operands.aligned_a);
  const auto b = matrix_operand<ContiguousB>(
      operands.b + batch_offset(operands.b_batch_strides, operands.batch_shape, batch), first_column, operands.columns,
      operands.depth, operands.aligned_b);
  typename Tile::Sums sums;
  Tile::multiply(sums, shared_memory<uint4>(), a, b, first, limit);
  float* products = Tile::gather(sums, shared_memory<float>());
  store_tile<Tile>(products, operands, splits, batch, first_row, first_column);
}

/// Adds the partial sums of the splits in order, N adjacent elements per thread.
template <int N, typename T>
__global__ void matmul_sum_splits_kernel(const MatmulOperands<T> operands, const float* __restrict__ sums, int splits,
                                         int64_t elements) {
  const int64_t stride = int64_t(gridDim.x) * blockDim.x * N;
  for (int64_t at = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N; at < elements; at += stride) {
    float totals[N] = {};
#pragma unroll 4
    for (int split = 0; split < splits; split++) {
      float parts[N];
      load_pack<N>(parts, sums + split * elements + at);
#pragma unroll
      for (int i = 0; i < N; i++) totals[i] += parts[i];
    }
    const int column = int(at % operands.columns);
#pragma unroll
    for (int i = 0; i < N; i++) totals[i] = finished(operands, column + i, totals[i]);
    store_pack<N>(operands.output + at, totals);
  }
}

}  // namespace attention
