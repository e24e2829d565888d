#pragma once
// Copies between strided views: slices, concatenation, transposes, tiling, reversal, and casts if the types differ.

#include "common/element.cuh"
#include "common/strides.h"

namespace attention {

constexpr int copy_elements = 4;  // per thread, blockDim.x apart
constexpr int tile_length = 32;
constexpr int tile_rows = 8;  // rows of a tile that the block handles at once

/// Copies elements as raw bits. Each thread loads all its elements before it stores the first.
template <typename Bits>
__global__ void __launch_bounds__(256) copy_kernel(const Bits* x, Bits* output, const Walk<2> walk) {
  const int64_t start = int64_t(blockIdx.x) * blockDim.x * copy_elements + threadIdx.x;
  Bits values[copy_elements];
  int64_t places[copy_elements];
#pragma unroll
  for (int i = 0; i < copy_elements; i++) {
    const int64_t index = start + i * int64_t(blockDim.x);
    if (index >= walk.size) break;
    int64_t offsets[2];
    walk.offsets(index, offsets);
    values[i] = x[offsets[0]];
    places[i] = offsets[1];
  }
#pragma unroll
  for (int i = 0; i < copy_elements; i++) {
    if (start + i * int64_t(blockDim.x) < walk.size) output[places[i]] = values[i];
  }
}

/// A transpose: one axis is contiguous in the output, another in x, and the rest are outer axes.
struct TransposeShape {
  Walk<2> outer;
  int64_t output_length;  // of the axis contiguous in the output
  int64_t x_stride;       // along that axis
  int64_t x_length;       // of the axis contiguous in x
  int64_t output_stride;  // along that axis
  Divisor output_tiles;
  Divisor x_tiles;
};

/// One block per tile, which is transposed in shared memory so that both loads and stores coalesce. The padding column
/// avoids bank conflicts.
template <typename Bits>
__global__ void __launch_bounds__(tile_length* tile_rows)
    transpose_kernel(const Bits* x, Bits* output, const TransposeShape shape) {
  __shared__ Bits tile[tile_length][tile_length + 1];
  int64_t output_tile, x_tile, offsets[2];
  const int64_t rest = shape.output_tiles.split(blockIdx.x, output_tile);
  shape.outer.offsets(shape.x_tiles.split(rest, x_tile), offsets);
  const int64_t output_start = output_tile * tile_length;
  const int64_t x_start = x_tile * tile_length;
#pragma unroll
  for (int step = 0; step < tile_length; step += tile_rows) {
    const int row = step + int(threadIdx.y);
    const int64_t along_output = output_start + row;
    const int64_t along_x = x_start + threadIdx.x;
    if (along_output < shape.output_length && along_x < shape.x_length) {
      tile[row][threadIdx.x] = x[offsets[0] + along_output * shape.x_stride + along_x];
    }
  }
  __syncthreads();
#pragma unroll
  for (int step = 0; step < tile_length; step += tile_rows) {
    const int row = step + int(threadIdx.y);
    const int64_t along_output = output_start + threadIdx.x;
    const int64_t along_x = x_start + row;
    if (along_output < shape.output_length && along_x < shape.x_length) {
      output[offsets[1] + along_x * shape.output_stride + along_output] = tile[threadIdx.x][row];
    }
  }
}

/// One pack per thread, contiguous in both tensors.
template <typename Value>
__global__ void __launch_bounds__(256) convert_packs_kernel(const void* x, ElementType x_type, void* output,
                                                            ElementType output_type, const Walk<2> walk) {
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * pack_elements;
  if (index >= walk.size) return;
  int64_t offsets[2];
  walk.offsets(index, offsets);
  Value values[pack_elements] = {};
  load_some(values, x, x_type, offsets[0], walk.size - index);
  store_some(output, output_type, offsets[1], values, walk.size - index);
}

/// For any strides: one element at a time.
template <typename Value>
__global__ void __launch_bounds__(256) convert_elements_kernel(const void* x, ElementType x_type, void* output,
                                                               ElementType output_type, const Walk<2> walk) {
  walk_apart<pack_elements>(walk, [&](int64_t, const int64_t (&offsets)[2]) {
    store_element(output, output_type, offsets[1], load_element<Value>(x, x_type, offsets[0]));
  });
}

}  // namespace attention
