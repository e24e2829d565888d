#pragma once
// The two matrix products of attention for a warp's rows: queries times keys, and probabilities times values.

#include "attention/attention_prefill_keys.cuh"

namespace attention {

/// Loads a warp's query rows as operand a of multiply_matrices.
template <typename T, typename Tile>
__device__ __forceinline__ void load_queries(uint32_t (&queries)[Tile::row_blocks][Tile::head_size / 16][4],
                                             const AttentionParams& params, const PrefillMemory<Tile>& memory,
                                             const RowTile& tile, int first_row, int kv_head) {
  const int group = params.heads / params.kv_heads;
  const int lane = threadIdx.x % warp_size;
#pragma unroll
  for (int r = 0; r < Tile::row_blocks; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = first_row + r * 16 + half * 8 + lane / 4;
      const bool valid = row < tile.num_rows;
      const int token = memory.tokens[row];
      const int head = kv_head * group + tile.first_row + row - token * group;
      const T* query = static_cast<const T*>(params.query.data) +
                       (valid ? output_row(params, tile.first_token + token, head) * params.head_size : 0);
#pragma unroll
      for (int c = 0; c < Tile::chunks; c++) {
        const int d = c * 8 + lane % 4 * 2;
        const uint32_t* pair = reinterpret_cast<const uint32_t*>(query + d);
        queries[r][c / 2][c % 2 * 2 + half] = valid && c * 8 < params.head_size ? *pair : 0;
      }
    }
  }
}

/// Starts the copies of a warp's query rows to shared memory. Rows beyond the tile become zeros.
template <typename T, typename Tile>
__device__ __forceinline__ void copy_queries(const AttentionParams& params, PrefillMemory<Tile>& memory,
                                             const RowTile& tile, int first_row, int kv_head) {
  const int group = params.heads / params.kv_heads;
  for (int i = threadIdx.x % warp_size; i < Tile::warp_rows * Tile::chunks; i += warp_size) {
    const int row = first_row + i / Tile::chunks;
    const int chunk = i % Tile::chunks;
    const bool valid = row < tile.num_rows && chunk * 8 < params.head_size;
    const int token = memory.tokens[row];
    const int head = kv_head * group + tile.first_row + row - token * group;
    const T* query = static_cast<const T*>(params.query.data) +
                     (valid ? output_row(params, tile.first_token + token, head) * params.head_size + chunk * 8 : 0);
    copy_async(&memory.queries[row * Tile::chunks + swizzle<Tile::chunks>(row, chunk)], query, valid);
  }
}

/// Adds the products of the warp's queries with the keys starting at index `first_index` of the tile. The queries are
/// in registers or in shared memory.
template <typename T, typename Tile>
__device__ __forceinline__ void multiply_keys(float (&scores)[Tile::row_blocks][Tile::step_keys / 8][4],
                                              const uint32_t (&queries)[Tile::row_blocks][Tile::head_size / 16][4],
                                              const PrefillMemory<Tile>& memory, int first_row, const uint4* keys,
                                              int first_index) {
  const int lane = threadIdx.x % warp_size;
  const int row = lane % 8 + lane / 16 * 8;
  const uint32_t lane_keys =
      shared_address(keys + (first_index + row) * Tile::chunks + swizzle<Tile::chunks>(row, lane / 8 % 2));
  const int query_row = first_row + lane % 16;
  const uint32_t lane_queries = shared_address(
      memory.queries +
      (Tile::shared_queries ? query_row * Tile::chunks + swizzle<Tile::chunks>(query_row, lane / 16) : 0));
  constexpr int key_blocks = Tile::step_keys / 16;
  constexpr int head_blocks = Tile::head_size / 16;
  // Double-buffered: the next fragments are loaded while the current ones are multiplied.
  uint32_t fragments[2][4];
  uint32_t query_fragments[2][Tile::row_blocks][4];
  const auto load_queries = [&](int d) {
#pragma unroll
    for (int r = 0; Tile::shared_queries && r < Tile::row_blocks; r++) {
      load_matrices(query_fragments[d % 2][r], other_chunk<Tile::chunks>(lane_queries, r * 16, d * 2));
    }
  };
  const auto load_keys = [&](int step) {
    load_matrices(fragments[step % 2],
                  other_chunk<Tile::chunks>(lane_keys, step % key_blocks * 16, step / key_blocks * 2));
  };
  load_queries(0);
  load_keys(0);
#pragma unroll
  for (int step = 0; step < head_blocks * key_blocks; step++) {
    const int d = step / key_blocks;
    const int k = step % key_blocks;
    if (k == key_blocks / 2 && d + 1 < head_blocks) load_queries(d + 1);
    if (step + 1 < head_blocks * key_blocks) load_keys(step + 1);
    const uint32_t(&fragment)[4] = fragments[step % 2];
#pragma unroll
    for (int r = 0; r < Tile::row_blocks; r++) {
      uint32_t query[4];
#pragma unroll
      for (int i = 0; i < 4; i++) query[i] = Tile::shared_queries ? query_fragments[d % 2][r][i] : queries[r][d][i];
      multiply_matrices<T>(scores[r][k * 2], query, {fragment[0], fragment[1]});
      multiply_matrices<T>(scores[r][k * 2 + 1], query, {fragment[2], fragment[3]});
    }
  }
}

/// Adds the weighted values of the same keys to the outputs. `Transposed`: keys lie along the rows of `values`.
template <typename T, typename Tile, bool Transposed>
__device__ __forceinline__ void multiply_values(float (&outputs)[Tile::row_blocks][Tile::chunks][4],
                                                const float (&probabilities)[Tile::row_blocks][Tile::step_keys / 8][4],
                                                const uint4* values, int first_index) {
  const int lane = threadIdx.x % warp_size;
  constexpr int row_chunks = Transposed ? Tile::keys / 8 : Tile::chunks;
  const int row = Transposed ? lane % 8 + lane / 16 * 8 : lane % 16;
  const int chunk = Transposed ? lane / 8 % 2 : lane / 16;
  const uint32_t lane_values =
      other_chunk<row_chunks>(shared_address(values + row * row_chunks + swizzle<row_chunks>(row, chunk)),
                              Transposed ? 0 : first_index, Transposed ? first_index / 8 : 0);
  constexpr int key_blocks = Tile::step_keys / 16;
  constexpr int head_blocks = Tile::head_size / 16;
  uint32_t fragments[2][4];  // double-buffered
  const auto load_values = [&](int step) {
    const int k = step / head_blocks;
    const int d = step % head_blocks;
    if constexpr (Transposed) {
      load_matrices(fragments[step % 2], other_chunk<row_chunks>(lane_values, d * 16, k * 2));
    } else {
      load_matrices_transposed(fragments[step % 2], other_chunk<row_chunks>(lane_values, k * 16, d * 2));
    }
  };
  load_values(0);
#pragma unroll
  for (int k = 0; k < key_blocks; k++) {
    uint32_t weights[Tile::row_blocks][4];
#pragma unroll
    for (int r = 0; r < Tile::row_blocks; r++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float(&pair)[4] = probabilities[r][k * 2 + i / 2];
        weights[r][i] = pack_pair<T>(pair[i % 2 * 2], pair[i % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (int d = 0; d < head_blocks; d++) {
      const int step = k * head_blocks + d;
      if (step + 1 < key_blocks * head_blocks) load_values(step + 1);
      const uint32_t(&fragment)[4] = fragments[step % 2];
#pragma unroll
      for (int r = 0; r < Tile::row_blocks; r++) {
        multiply_matrices<T>(outputs[r][d * 2], weights[r], {fragment[0], fragment[1]});
        multiply_matrices<T>(outputs[r][d * 2 + 1], weights[r], {fragment[2], fragment[3]});
      }
    }
  }
}

}  // namespace attention
