#pragma once
// Attention by tensor cores of many query rows at once: FlashAttention-2 (Dao, 2023) from a paged cache or contiguous
// rows. A block has a tile of rows of one KV head's group, a warp 16 or 32 of them. Queries, scores and outputs stay in
// registers; the block's keys and values pass through shared memory.

#include "attention_prefill_keys.cuh"
#include "attention_prefill_scores.cuh"

namespace attention {

/// A warp's rows of queries, as operand a of multiply_matrices.
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

/// Products of the warp's queries with keys from number `first_index` of the tile on.
template <typename T, typename Tile>
__device__ __forceinline__ void multiply_keys(float (&scores)[Tile::row_blocks][Tile::step_keys / 8][4],
                                              const uint32_t (&queries)[Tile::row_blocks][Tile::head_size / 16][4],
                                              const uint4* keys, int first_index) {
  const int lane = threadIdx.x % warp_size;
  const int row = lane % 8 + lane / 16 * 8;
  const int lane_offset = row * Tile::chunks + swizzle<Tile::chunks>(row, lane / 8 % 2);
  keys += first_index * Tile::chunks;
#pragma unroll
  for (int r = 0; r < Tile::row_blocks; r++) {
#pragma unroll
    for (int k = 0; k < Tile::step_keys / 8; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) scores[r][k][i] = 0.0f;
    }
  }
#pragma unroll
  for (int d = 0; d < Tile::head_size / 16; d++) {
#pragma unroll
    for (int k = 0; k < Tile::step_keys / 16; k++) {
      uint32_t fragments[4];
      load_matrices(fragments, keys + (lane_offset ^ (d * 2)) + k * 16 * Tile::chunks);
#pragma unroll
      for (int r = 0; r < Tile::row_blocks; r++) {
        multiply_matrices<T>(scores[r][k * 2], queries[r][d], {fragments[0], fragments[1]});
        multiply_matrices<T>(scores[r][k * 2 + 1], queries[r][d], {fragments[2], fragments[3]});
      }
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
  const int lane_offset = row * row_chunks + swizzle<row_chunks>(row, chunk);
#pragma unroll
  for (int k = 0; k < Tile::step_keys / 16; k++) {
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
    for (int d = 0; d < Tile::head_size / 16; d++) {
      uint32_t fragments[4];
      if constexpr (Transposed) {
        load_matrices(fragments, values + (lane_offset ^ (first_index / 8 + k * 2)) + d * 16 * row_chunks);
      } else {
        load_matrices_transposed(fragments, values + (lane_offset ^ (d * 2)) + (first_index + k * 16) * row_chunks);
      }
#pragma unroll
      for (int r = 0; r < Tile::row_blocks; r++) {
        multiply_matrices<T>(outputs[r][d * 2], weights[r], {fragments[0], fragments[1]});
        multiply_matrices<T>(outputs[r][d * 2 + 1], weights[r], {fragments[2], fragments[3]});
      }
    }
  }
}

/// Divides a warp's outputs by their rows' sums and stores them, through shared memory that nobody reads any more.
template <typename T, typename Tile>
__device__ __forceinline__ void store_rows(float (&outputs)[Tile::row_blocks][Tile::chunks][4],
                                           RowState<Tile::row_blocks>& state, float factor,
                                           const AttentionParams& params, PrefillMemory<Tile>& memory,
                                           const RowTile& tile, int first_row, int kv_head) {
  const int group = params.heads / params.kv_heads;
  const int lane = threadIdx.x % warp_size;
  uint4* staging = memory.keys[0];
  static_assert(Tile::rows * Tile::chunks <= 4 * Tile::keys * Tile::chunks);
#pragma unroll
  for (int r = 0; r < Tile::row_blocks; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = first_row + r * 16 + half * 8 + lane / 4;
      const int token = memory.tokens[row];
      const int head = kv_head * group + tile.first_row + row - token * group;
      float sum = state.sum[r][half];
      sum += __shfl_xor_sync(all_lanes, sum, 1);
      sum += __shfl_xor_sync(all_lanes, sum, 2);
      RowResult result = {0.0f, 0.0f};
      if (row < tile.num_rows) {
        result = finish_row(state.reference[r][half] * factor, sum, params.sinks, head);
        if (params.lse && lane % 4 == 0) {
          params.lse[output_row(params, tile.first_token + token, head)] = result.lse;
        }
      }
#pragma unroll
      for (int c = 0; c < Tile::chunks; c++) {
        uint32_t* chunk = reinterpret_cast<uint32_t*>(staging + row * Tile::chunks + swizzle<Tile::chunks>(row, c));
        chunk[lane % 4] =
            pack_pair<T>(outputs[r][c][half * 2] * result.factor, outputs[r][c][half * 2 + 1] * result.factor);
      }
    }
  }
  __syncwarp();
  for (int i = lane; i < Tile::warp_rows * Tile::chunks; i += warp_size) {
    const int row = first_row + i / Tile::chunks;
    const int chunk = i % Tile::chunks;
    if (row >= tile.num_rows || chunk * 8 >= params.head_size) continue;
    const int token = memory.tokens[row];
    const int head = kv_head * group + tile.first_row + row - token * group;
    T* output = static_cast<T*>(params.output.data) +
                output_row(params, tile.first_token + token, head) * params.head_size + chunk * 8;
    *reinterpret_cast<uint4*>(output) = staging[row * Tile::chunks + swizzle<Tile::chunks>(row, chunk)];
  }
}

/// `Plain`: a positive scale, and no softcap, ALiBi or additive mask; `scale_factor` is what makes base-2 scores of
/// products. `Vllm`: a cache of that layout. `tiles` as count_tiles has it; blocks of all tiles and KV heads.
template <typename T, int HeadSize, bool Large, bool Plain, bool Vllm>
__global__ void __launch_bounds__(PrefillTile<HeadSize, Large>::threads, PrefillTile<HeadSize, Large>::min_blocks)
    attention_prefill_kernel(const AttentionParams params, float scale_factor, int tiles, bool all) {
  using Tile = PrefillTile<HeadSize, Large>;
  using Keys = PrefillKeys<T, Tile, Vllm>;
  PrefillMemory<Tile>& memory = *shared_memory<PrefillMemory<Tile>>();
  const float factor = Plain ? scale_factor : 1.0f;
  const int group = params.heads / params.kv_heads;
  const int kv_head = blockIdx.x % params.kv_heads;
  // The last tiles of a sequence have the most keys: they go first.
  const RowTile tile = find_tile(params, tiles - 1 - int(blockIdx.x / params.kv_heads), group, Tile::rows);
  if (tile.num_rows == 0) return;
  if (!all && tile.sequence < params.sequences && tile.query_length <= decode_query_length(group)) return;

  const int warp = threadIdx.x / warp_size;
  const int lane = threadIdx.x % warp_size;
  const int context = context_length(params, tile.sequence);
  const WarpRows rows = {warp * Tile::warp_rows, context - tile.query_length, context, key_capacity(params)};
  const auto kept = [&](int row) {
    return kept_keys(params, rows.first_position + (tile.first_row + row) / group, context, rows.capacity);
  };
  const Keys keys(params, memory, tile.sequence, kv_head, {kept(0).begin, kept(tile.num_rows - 1).end});
  if (lane == 0) {
    WarpKeys warp_keys = {};
    if (rows.first < tile.num_rows) {
      const KeyRange first = kept(rows.first);
      const KeyRange last = kept(min(rows.first + Tile::warp_rows, tile.num_rows) - 1);
      warp_keys = {{first.begin, last.end}, {last.begin, first.end}};
    }
    memory.warp_keys[warp] = warp_keys;
  }
  for (int row = threadIdx.x; row < Tile::rows; row += Tile::threads) {
    const int token = (tile.first_row + row) / group;
    memory.tokens[row] = token;
    if (!Plain && params.alibi_slopes) {
      const int head = kv_head * group + tile.first_row + row - token * group;
      memory.slopes[row] = params.alibi_slopes[head] * log2_e;
    }
  }
  const int begin = keys.range.begin / Tile::keys * Tile::keys;
  int next_block = 0;  // the first warp's, see PrefillKeys::look_up
  if (warp == 0) {
    keys.publish(begin, keys.look_up(begin));
    keys.publish(begin + Tile::keys, keys.look_up(begin + Tile::keys));
  }
  __syncthreads();
  if (begin < keys.range.end) keys.copy(begin);
  copy_async_commit();

  uint32_t queries[Tile::row_blocks][HeadSize / 16][4];
  load_queries<T, Tile>(queries, params, memory, tile, rows.first, kv_head);
  float outputs[Tile::row_blocks][Tile::chunks][4];
  RowState<Tile::row_blocks> state;
#pragma unroll
  for (int r = 0; r < Tile::row_blocks; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      state.reference[r][half] = -infinity;
      state.sum[r][half] = 0.0f;
    }
#pragma unroll
    for (int c = 0; c < Tile::chunks; c++) {
#pragma unroll
      for (int i = 0; i < 4; i++) outputs[r][c][i] = 0.0f;
    }
  }

#pragma unroll 1
  for (int first = begin; first < keys.range.end; first += Tile::step_keys) {
    const int index = unsigned(first) % Tile::keys;  // in its tile
    const int stage = unsigned(first) / Tile::keys % 2;
    if (Tile::step_keys == Tile::keys || index == 0) {
      copy_async_wait<0>();
      __syncthreads();  // this tile has arrived, and nobody reads the one before
      if (first + Tile::keys < keys.range.end) keys.copy(first + Tile::keys);
      copy_async_commit();
      if (warp == 0) next_block = keys.look_up(first + 2 * Tile::keys);
    }
    const WarpKeys kept_by = memory.warp_keys[warp];
    if (first < kept_by.some.end && first + Tile::step_keys > kept_by.some.begin) {
      float scores[Tile::row_blocks][Tile::step_keys / 8][4];
      multiply_keys<T, Tile>(scores, queries, memory.keys[stage], index);
      if constexpr (!Plain) modify_scores(scores, keys, tile, rows, first);
      if (first < kept_by.every.begin || first + Tile::step_keys > kept_by.every.end || keys.any_bad_block(first)) {
        mask_scores(scores, keys, rows, first);
      }
      update_rows(scores, state, outputs, factor);
      multiply_values<T, Tile, Vllm>(outputs, scores, memory.values[stage], index);
    }
    if (warp == 0 && index + Tile::step_keys == Tile::keys) keys.publish(first - index + 2 * Tile::keys, next_block);
  }

  __syncthreads();
  store_rows<T, Tile>(outputs, state, factor, params, memory, tile, rows.first, kv_head);
}

}  // namespace attention
