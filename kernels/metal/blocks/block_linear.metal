// output = x · weightᵀ + bias, for a weight in a block type. Sums are float32.
#include "blocks/block_types.h"
#include "matmul/gemm.h"

constant bool has_bias [[function_constant(0)]];

struct BlockLinearParams {
  uint rows;
  uint columns;
  uint depth;
};

template <typename Block>
inline ulong line_bytes(uint depth) {
  return ulong(depth / Block::length) * Block::bytes;
}

template <typename T>
inline void store_product(device T* output, device const T* bias, constant BlockLinearParams& params, uint row,
                          uint column, float sum) {
  if (has_bias) sum += float(bias[column]);
  output[ulong(row) * params.columns + column] = T(sum);
}

/// Lines of a weight as an operand of GemmTile, decoded to T.
template <typename Block, typename T>
struct BlockLines {
  static constant constexpr bool depth_contiguous = true;
  device const uchar* start;
  uint depth;
  uint count;

  template <uint extent, uint step, uint threads>
  void stage(threadgroup T* tile, uint k, uint thread_index) const {
    constexpr uint quads = step / 4;
    for (uint i = thread_index; i < extent * quads; i += threads) {
      const uint line = i / quads;
      const uint element = k + i % quads * 4;
      float4 values = float4(0.0f);
      if (line < count && element < depth) {
        values = decode_line<Block>(start + line * line_bytes<Block>(depth), element);
      }
      threadgroup T* to = tile + line * (step + GemmPack<T>::size) + i % quads * 4;
      for (uint j = 0; j < 4; j++) to[j] = T(values[j]);
    }
  }
};

/// For many rows: each threadgroup computes a tile.
template <typename Block, typename T>
[[kernel]] void block_linear_tiles(device const T* x [[buffer(0)]],
                                   device const uchar* weight [[buffer(1)]],
                                   device const T* bias [[buffer(2)]],
                                   device T* output [[buffer(3)]],
                                   constant BlockLinearParams& params [[buffer(4)]],
                                   uint2 group [[threadgroup_position_in_grid]],
                                   uint thread_index [[thread_index_in_threadgroup]],
                                   uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using Tile = GemmTile<T, 64, 64, 2, 2>;
  threadgroup float4 memory[Tile::memory_size];
  const uint first_row = group.y * Tile::rows;
  const uint first_column = group.x * Tile::columns;
  const uint num_rows = min(Tile::rows, params.rows - first_row);
  const uint num_columns = min(Tile::columns, params.columns - first_column);
  const ulong depth = params.depth;
  const DepthContiguous<T, StridedLines<T>> rows = {{x + first_row * depth, depth, num_rows}, params.depth, true};
  const BlockLines<Block, T> columns = {weight + first_column * line_bytes<Block>(params.depth), params.depth,
                                        num_columns};
  threadgroup float* products = Tile::multiply(memory, rows, columns, params.depth, thread_index, simdgroup);
  for (uint i = thread_index; i < num_rows * Tile::columns; i += Tile::threads) {
    const uint row = i / Tile::columns;
    const uint column = i % Tile::columns;
    if (column >= num_columns) continue;
    store_product(output, bias, params, first_row + row, first_column + column, products[row * Tile::pitch + column]);
  }
}

constant constexpr uint row_block = 4;
constant constexpr uint column_block = 4;
constant constexpr uint vector_simdgroups = 2;

/// For few rows: each simdgroup computes `column_block` columns of `row_block` rows, and its lanes share out the depth.
template <typename Block, typename T>
[[kernel]] void block_linear_rows(device const T* x [[buffer(0)]],
                                  device const uchar* weight [[buffer(1)]],
                                  device const T* bias [[buffer(2)]],
                                  device T* output [[buffer(3)]],
                                  constant BlockLinearParams& params [[buffer(4)]],
                                  uint2 group [[threadgroup_position_in_grid]],
                                  uint simdgroup [[simdgroup_index_in_threadgroup]],
                                  uint lane [[thread_index_in_simdgroup]]) {
  const uint first_row = group.y * row_block;
  const uint first_column = (group.x * vector_simdgroups + simdgroup) * column_block;
  if (first_column >= params.columns) return;  // the whole simdgroup
  const uint rows = min(row_block, params.rows - first_row);
  const uint columns = min(column_block, params.columns - first_column);
  float sums[row_block * column_block];
  for (uint i = 0; i < row_block * column_block; i++) sums[i] = 0.0f;
  for (uint k = lane * 4; k < params.depth; k += 128) {
    float4 right[column_block];
    for (uint j = 0; j < column_block; j++) {  // repeats the last column instead of reading past it
      const ulong column = first_column + min(j, columns - 1);
      right[j] = decode_line<Block>(weight + column * line_bytes<Block>(params.depth), k);
    }
    // Constant bounds, here and below, keep the sums in registers.
    for (uint i = 0; i < row_block; i++) {
      if (i >= rows) break;
      float left[4];
      load_pack<4>(left, x + ulong(first_row + i) * params.depth + k);
      for (uint j = 0; j < column_block; j++) {
        float sum = sums[i * column_block + j];
        for (uint n = 0; n < 4; n++) sum = fma(left[n], right[j][n], sum);
        sums[i * column_block + j] = sum;
      }
    }
  }
  for (uint i = 0; i < row_block; i++) {
    if (i >= rows) break;
    for (uint j = 0; j < column_block; j++) {
      if (j >= columns) break;
      const float sum = simd_sum(sums[i * column_block + j]);
      if (lane == 0) store_product(output, bias, params, first_row + i, first_column + j, sum);
    }
  }
}

#define instantiate_block_linear(kernel_name, name, block, type)                                          \
  template [[host_name(#kernel_name "_" #name "_" #type)]] [[kernel]] void kernel_name<block, type>(      \
      device const type*, device const uchar*, device const type*, device type*, constant BlockLinearParams&, uint2, \
      uint, uint);

#define instantiate_types(kernel_name, name, block)          \
  instantiate_block_linear(kernel_name, name, block, float)  \
  instantiate_block_linear(kernel_name, name, block, half)   \
  instantiate_block_linear(kernel_name, name, block, bfloat)

#define instantiate_blocks(kernel_name)             \
  instantiate_types(kernel_name, q4_0, BlockQ4_0)   \
  instantiate_types(kernel_name, q5_0, BlockQ5_0)   \
  instantiate_types(kernel_name, q8_0, BlockQ8_0)   \
  instantiate_types(kernel_name, q4_k, BlockQ4_K)   \
  instantiate_types(kernel_name, q5_k, BlockQ5_K)   \
  instantiate_types(kernel_name, q6_k, BlockQ6_K)

instantiate_blocks(block_linear_tiles)
instantiate_blocks(block_linear_rows)
