// Multiplies rows of x by the transposed matrices of their experts.
#include "moe/moe_gemm.h"

constant bool aligned [[function_constant(0)]];  // the depth is a multiple of 16 bytes
constant bool has_topk_weights [[function_constant(1)]];
constant bool by_position [[function_constant(2)]];  // x has a row per sorted pair, else per pair or token

struct MoeGemmParams {
  uint pairs;
  uint experts;
  uint width;  // N
  uint depth;  // K
  uint pairs_per_row;  // pairs that share one row of x: topk or 1
};

/// For many pairs: a threadgroup computes a tile of pairs of one expert by 64 columns.
template <typename T, typename Output>
[[kernel]] void moe_gemm(device const T* x [[buffer(0)]],
                         device const T* weights [[buffer(1)]],
                         device const int* sorted_token_ids [[buffer(2)]],
                         device const MoeTile* tiles [[buffer(3)]],
                         device const float* topk_weights [[buffer(4)]],
                         device Output* output [[buffer(5)]],
                         constant MoeGemmParams& params [[buffer(6)]],
                         uint2 group [[threadgroup_position_in_grid]],
                         uint thread_index [[thread_index_in_threadgroup]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  using Tile = MoeGemmTile<T>;
  threadgroup float4 memory[Tile::memory_size];
  threadgroup uint input_rows[moe_tile_rows];
  threadgroup uint output_rows[moe_tile_rows];

  const MoeTile tile = tiles[group.y];
  const uint count = uint(tile.end - tile.first);
  if (count == 0) return;
  for (uint i = thread_index; i < moe_tile_rows; i += Tile::threads) {
    const uint pair = i < count ? uint(sorted_token_ids[tile.first + i]) : params.pairs;
    const bool valid = pair < params.pairs;  // never writes out of bounds, whatever the ids
    output_rows[i] = valid ? pair : moe_no_row;
    input_rows[i] = valid ? (by_position ? uint(tile.first) + i : pair / params.pairs_per_row) : moe_no_row;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  const uint first_column = group.x * Tile::columns;
  const uint num_columns = min(Tile::columns, params.width - first_column);
  threadgroup float* products = nullptr;
  if (tile.expert >= 0) {
    const ulong first_weight = (ulong(tile.expert) * params.width + first_column) * params.depth;
    const DepthContiguous<T, MoeInputRows<T>> a = {{x, input_rows, params.depth}, params.depth, aligned};
    const DepthContiguous<T, StridedLines<T>> b = {
        {weights + first_weight, params.depth, num_columns}, params.depth, aligned};
    products = Tile::multiply(memory, a, b, params.depth, thread_index, simdgroup);
  }
  for (uint i = thread_index; i < count * Tile::columns; i += Tile::threads) {
    const uint row = i / Tile::columns;
    const uint column = i % Tile::columns;
    const uint pair = output_rows[row];
    if (column >= num_columns || pair == moe_no_row) continue;
    float product = NAN;
    if (tile.expert >= 0) {
      product = products[row * Tile::pitch + column] * (has_topk_weights ? topk_weights[pair] : 1.0f);
    }
    output[ulong(pair) * params.width + first_column + column] = Output(product);
  }
}

/// For few pairs: a simdgroup computes moe_rows_per_simdgroup columns of one pair.
template <typename T>
[[kernel]] void moe_gemm_rows(device const T* x [[buffer(0)]],
                              device const T* weights [[buffer(1)]],
                              device const int* sorted_token_ids [[buffer(2)]],
                              device const int* expert_ids [[buffer(3)]],
                              device const float* topk_weights [[buffer(4)]],
                              device T* output [[buffer(5)]],
                              constant MoeGemmParams& params [[buffer(6)]],
                              uint2 group [[threadgroup_position_in_grid]],
                              uint simdgroup [[simdgroup_index_in_threadgroup]],
                              uint lane [[thread_index_in_simdgroup]]) {
  const uint pair = uint(sorted_token_ids[group.y]);
  const uint expert = uint(expert_ids[group.y]);
  const uint column = (group.x * moe_rows_simdgroups + simdgroup) * moe_rows_per_simdgroup;
  if (pair >= params.pairs || column >= params.width) return;
  const uint num_columns = min(moe_rows_per_simdgroup, params.width - column);

  float sums[moe_rows_per_simdgroup];
  for (uint i = 0; i < moe_rows_per_simdgroup; i++) sums[i] = expert < params.experts ? 0.0f : NAN;
  if (expert < params.experts) {
    device const T* rows = weights + (ulong(expert) * params.width + column) * params.depth;
    gemm_rows<moe_rows_per_simdgroup>(sums, has_topk_weights ? topk_weights[pair] : 1.0f,
                                      x + ulong(pair / params.pairs_per_row) * params.depth, rows, params.depth,
                                      num_columns, aligned, lane);
  }
  for (uint i = 0; i < moe_rows_per_simdgroup; i++) {
    const float sum = simd_sum(sums[i]);
    if (lane == i && i < num_columns) output[ulong(pair) * params.width + column + i] = T(sum);
  }
}

#define instantiate_moe_gemm(type, output_type)                                                               \
  template [[host_name("moe_gemm_" #type "_" #output_type)]] [[kernel]] void moe_gemm<type, output_type>(     \
      device const type*, device const type*, device const int*, device const MoeTile*, device const float*,  \
      device output_type*, constant MoeGemmParams&, uint2, uint, uint);

#define instantiate_moe_gemm_rows(type)                                                               \
  template [[host_name("moe_gemm_rows_" #type)]] [[kernel]] void moe_gemm_rows<type>(                 \
      device const type*, device const type*, device const int*, device const int*, device const float*, \
      device type*, constant MoeGemmParams&, uint2, uint, uint);

instantiate_moe_gemm(float, float)
instantiate_moe_gemm(half, half)
instantiate_moe_gemm(half, float)
instantiate_moe_gemm(bfloat, bfloat)
instantiate_moe_gemm(bfloat, float)
instantiate_moe_gemm_rows(float)
instantiate_moe_gemm_rows(half)
instantiate_moe_gemm_rows(bfloat)
