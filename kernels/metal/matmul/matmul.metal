// output[batch] = activation(a[batch] b[batch] + bias), with b transposed or not, and batches broadcast by strides.
// Everything is accumulated in float32, and products of float32 operands are float32 too.
#include <metal_stdlib>
#include "common/enumerations.h"
#include "matmul/gemm.h"
#include "elementwise/special_functions.h"

using namespace metal;
using namespace attention;

constant bool transpose_b [[function_constant(0)]];
constant bool has_bias [[function_constant(1)]];
constant int activation [[function_constant(2)]];  // a MatMulActivation
constant bool aligned_a [[function_constant(3)]];  // the length of its rows is a multiple of 16 bytes
constant bool aligned_b [[function_constant(4)]];

constant constexpr uint max_batch_rank = 4;

struct MatmulParams {
  ulong a_batch_strides[max_batch_rank];
  ulong b_batch_strides[max_batch_rank];
  uint batch_shape[max_batch_rank];
  uint rows;
  uint columns;
  uint depth;
  uint bias_stride;  // 0: one bias for all columns
  float slope;       // of leakyrelu
};

// Adds the bias, applies the activation and stores an element.
template <typename T>
inline void store_sum(device T* output, device const T* bias, constant MatmulParams& params, uint row, uint column,
                      float x) {
  if (has_bias) x += float(bias[column * params.bias_stride]);
  switch (MatMulActivation(activation)) {
    case MatMulActivation::relu: x = isnan(x) ? x : max(x, 0.0f); break;
    case MatMulActivation::relu6: x = isnan(x) ? x : clamp(x, 0.0f, 6.0f); break;
    case MatMulActivation::elu: x = x >= 0.0f ? x : exp_minus_1(x); break;
    case MatMulActivation::leakyrelu: x = x < 0.0f ? params.slope * x : x; break;
    case MatMulActivation::sigmoid: x = 1.0f / (1.0f + precise::exp(-x)); break;
    default: break;
  }
  output[ulong(row) * params.columns + column] = T(x);
}

// The offset of a batch in an operand.
inline ulong batch_offset(constant MatmulParams& params, constant const ulong* strides, uint batch) {
  ulong offset = 0;
  for (uint d = max_batch_rank; d-- > 0;) {
    offset += strides[d] * (batch % params.batch_shape[d]);
    batch /= params.batch_shape[d];
  }
  return offset;
}

inline ulong output_offset(constant MatmulParams& params, uint batch) {
  return ulong(batch) * params.rows * params.columns;
}

// For many rows: each threadgroup computes a tile.
template <typename T>
[[kernel]] void matmul_tiles(device const T* a [[buffer(0)]],
                             device const T* b [[buffer(1)]],
                             device const T* bias [[buffer(2)]],
                             device T* output [[buffer(3)]],
                             constant MatmulParams& params [[buffer(4)]],
                             uint3 group [[threadgroup_position_in_grid]],
                             uint thread_index [[thread_index_in_threadgroup]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using Tile = GemmTile<T, 64, 64, 2, 2>;
  threadgroup float4 memory[Tile::memory_size];
  const uint first_row = group.y * Tile::rows;
  const uint first_column = group.x * Tile::columns;
  const uint num_rows = min(Tile::rows, params.rows - first_row);
  const uint num_columns = min(Tile::columns, params.columns - first_column);
  const ulong depth = params.depth;
  device const T* a_start = a + batch_offset(params, params.a_batch_strides, group.z) + first_row * depth;
  device const T* b_start = b + batch_offset(params, params.b_batch_strides, group.z);

  const DepthContiguous<T, StridedLines<T>> rows = {{a_start, depth, num_rows}, params.depth, aligned_a};
  threadgroup float* products = nullptr;
  if (transpose_b) {
    const DepthContiguous<T, StridedLines<T>> columns = {
        {b_start + first_column * depth, depth, num_columns}, params.depth, aligned_b};
    products = Tile::multiply(memory, rows, columns, params.depth, thread_index, simdgroup);
  } else {
    const DepthStrided<T> columns = {b_start, params.columns, params.depth, first_column, params.columns, aligned_b};
    products = Tile::multiply(memory, rows, columns, params.depth, thread_index, simdgroup);
  }
  device T* product = output + output_offset(params, group.z);
  for (uint i = thread_index; i < num_rows * Tile::columns; i += Tile::threads) {
    const uint row = i / Tile::columns;
    const uint column = i % Tile::columns;
    if (column >= num_columns) continue;
    store_sum(product, bias, params, first_row + row, first_column + column, products[row * Tile::pitch + column]);
  }
}

// For few rows: each element of b is read once for up to `row_block` rows.
constant constexpr uint row_block = 4;
constant constexpr uint column_block = 4;
constant constexpr uint vector_simdgroups = 2;

// Adds the products of `rows` rows and `column_block` columns to `sums`, with `count` elements per access.
template <uint count, typename T>
inline void add_dots(thread float* sums, device const T* a, device const T* b, uint rows, uint columns, uint depth,
                     uint lane) {
  for (uint k = lane * count; k < depth; k += 32 * count) {
    float right[column_block][count];
    for (uint j = 0; j < column_block; j++) {
      load_pack<count>(right[j], b + ulong(min(j, columns - 1)) * depth + k);  // repeats the last column instead of reading past it
    }
    // Constant bounds, here and below, keep the sums in registers.
    for (uint i = 0; i < row_block; i++) {
      if (i >= rows) break;
      float left[count];
      load_pack<count>(left, a + ulong(i) * depth + k);
      for (uint j = 0; j < column_block; j++) {
        float sum = sums[i * column_block + j];
        for (uint n = 0; n < count; n++) sum = fma(left[n], right[j][n], sum);
        sums[i * column_block + j] = sum;
      }
    }
  }
}

// For a transposed b, whose columns are contiguous: each simdgroup computes `column_block` columns, and its lanes share
// out the depth.
template <typename T>
[[kernel]] void matmul_dots(device const T* a [[buffer(0)]],
                            device const T* b [[buffer(1)]],
                            device const T* bias [[buffer(2)]],
                            device T* output [[buffer(3)]],
                            constant MatmulParams& params [[buffer(4)]],
                            uint3 group [[threadgroup_position_in_grid]],
                            uint simdgroup [[simdgroup_index_in_threadgroup]],
                            uint lane [[thread_index_in_simdgroup]]) {
  const uint first_row = group.y * row_block;
  const uint first_column = (group.x * vector_simdgroups + simdgroup) * column_block;
  if (first_column >= params.columns) return;  // the whole simdgroup
  const uint rows = min(row_block, params.rows - first_row);
  const uint columns = min(column_block, params.columns - first_column);
  const ulong depth = params.depth;
  device const T* left = a + batch_offset(params, params.a_batch_strides, group.z) + first_row * depth;
  device const T* right = b + batch_offset(params, params.b_batch_strides, group.z) + first_column * depth;

  float sums[row_block * column_block];
  for (uint i = 0; i < row_block * column_block; i++) sums[i] = 0.0f;
  if (aligned_a && aligned_b) {
    add_dots<GemmPack<T>::size>(sums, left, right, rows, columns, params.depth, lane);
  } else {
    add_dots<1>(sums, left, right, rows, columns, params.depth, lane);
  }
  device T* product = output + output_offset(params, group.z);
  for (uint i = 0; i < row_block; i++) {
    if (i >= rows) break;
    for (uint j = 0; j < column_block; j++) {
      if (j >= columns) break;
      const float sum = simd_sum(sums[i * column_block + j]);
      if (lane == 0) store_sum(product, bias, params, first_row + i, first_column + j, sum);
    }
  }
}

// For a b that is not transposed, whose rows are contiguous: each lane computes one column, and the simdgroups share
// out the depth.
template <typename T>
[[kernel]] void matmul_columns(device const T* a [[buffer(0)]],
                               device const T* b [[buffer(1)]],
                               device const T* bias [[buffer(2)]],
                               device T* output [[buffer(3)]],
                               constant MatmulParams& params [[buffer(4)]],
                               uint3 group [[threadgroup_position_in_grid]],
                               uint simdgroup [[simdgroup_index_in_threadgroup]],
                               uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float partial_sums[vector_simdgroups * row_block * 32];
  const uint first_row = group.y * row_block;
  const uint column = group.x * 32 + lane;
  const uint rows = min(row_block, params.rows - first_row);
  const ulong depth = params.depth;
  device const T* left = a + batch_offset(params, params.a_batch_strides, group.z) + first_row * depth;
  device const T* right = b + batch_offset(params, params.b_batch_strides, group.z) + column;

  float sums[row_block];
  for (uint i = 0; i < row_block; i++) sums[i] = 0.0f;
  if (column < params.columns) {
    for (uint k = simdgroup; k < params.depth; k += vector_simdgroups) {
      const float element = float(right[ulong(k) * params.columns]);
      for (uint i = 0; i < row_block; i++) {
        if (i < rows) sums[i] = fma(float(left[i * depth + k]), element, sums[i]);
      }
    }
  }
  for (uint i = 0; i < row_block; i++) partial_sums[(simdgroup * row_block + i) * 32 + lane] = sums[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (column >= params.columns) return;
  device T* product = output + output_offset(params, group.z);
  for (uint i = simdgroup; i < rows; i += vector_simdgroups) {
    float sum = 0.0f;
    for (uint s = 0; s < vector_simdgroups; s++) sum += partial_sums[(s * row_block + i) * 32 + lane];
    store_sum(product, bias, params, first_row + i, column, sum);
  }
}

#define instantiate_matmul(kernel_name, type)                                                            \
  template [[host_name(#kernel_name "_" #type)]] [[kernel]] void kernel_name<type>(                      \
      device const type*, device const type*, device const type*, device type*, constant MatmulParams&,  \
      uint3, uint, uint);

#define instantiate_matmuls(type)          \
  instantiate_matmul(matmul_tiles, type)   \
  instantiate_matmul(matmul_dots, type)    \
  instantiate_matmul(matmul_columns, type)

instantiate_matmuls(float)
instantiate_matmuls(half)
instantiate_matmuls(bfloat)
