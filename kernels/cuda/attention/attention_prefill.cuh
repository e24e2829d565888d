#pragma once
// Prefill attention on tensor cores: FlashAttention-2 (Dao, 2023) over a paged cache or contiguous rows. A block
// computes a tile of query rows of one KV head's group, each warp 16 or 32 of them, and loops over tiles of keys.
// Scores and outputs stay in registers, and queries if there is room. The block's keys and values pass through shared
// memory, filled by asynchronous copies one tile ahead. Softmax is online: per row, a running reference (close to the
// maximum) and sum.

#include "attention/attention_prefill_keys.cuh"
#include "attention/attention_prefill_products.cuh"
#include "attention/attention_prefill_scores.cuh"

namespace attention {

/// Divides a warp's outputs by their rows' sums and stores them, through shared memory that is no longer in use.
template <typename T, typename Tile>
__device__ __forceinline__ void store_rows(float (&outputs)[Tile::row_blocks][Tile::chunks][4],
                                           RowState<Tile::row_blocks>& state, float factor,
                                           const AttentionParams& params, PrefillMemory<Tile>& memory,
                                           const RowTile& tile, int first_row, int kv_head) {
  const int group = params.heads / params.kv_heads;
  const int lane = threadIdx.x % warp_size;
  uint4* staging = memory.keys[0];
  static_assert(Tile::rows <= 2 * Tile::stages * Tile::keys);
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

/// `scale_factor` turns the scores left by prepare_scores and modify_scores into base-2 scores. `Vllm`: the cache has
/// that layout. `tiles` is count_tiles(); the grid has one block per tile and KV head.
template <typename T, int HeadSize, TileSize Size, Modifiers Modified, bool Vllm>
__global__ void __launch_bounds__(PrefillTile<HeadSize, Size>::threads, PrefillTile<HeadSize, Size>::min_blocks)
    attention_prefill_kernel(const AttentionParams params, float scale_factor, int tiles, bool include_decodes) {
  using Tile = PrefillTile<HeadSize, Size>;
  using Keys = PrefillKeys<T, Tile, Vllm>;
  PrefillMemory<Tile>& memory = *shared_memory<PrefillMemory<Tile>>();
  const float factor = Modified == Modifiers::any ? 1.0f : scale_factor;
  const int group = params.heads / params.kv_heads;
  const int kv_head = blockIdx.x % params.kv_heads;
  // The last tiles of a causal sequence have the most keys, so they start first.
  const RowTile tile = find_tile(params, tiles - 1 - int(blockIdx.x / params.kv_heads), group, Tile::rows);
  if (tile.num_rows == 0) return;
  if (!include_decodes && tile.sequence < params.sequences && tile.query_length <= decode_query_length(group)) return;

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
    if (Modified == Modifiers::alibi || (Modified == Modifiers::any && params.alibi_slopes)) {
      const int head = kv_head * group + tile.first_row + row - token * group;
      memory.slopes[row] = params.alibi_slopes[head] * (log2_e / factor);
    }
  }
  const int begin = keys.range.begin / Tile::keys * Tile::keys;
  int next_block = 0;  // in the first warp, see PrefillKeys::look_up
  if (warp == 0) {
    keys.publish(begin, keys.look_up(begin));
    keys.publish(begin + Tile::keys, keys.look_up(begin + Tile::keys));
    next_block = keys.look_up(begin + 2 * Tile::keys);
    if (lane < Tile::stages) init_arrivals(memory.arrivals[lane], Tile::threads);
  }
  __syncthreads();
  if (begin < keys.range.end) {
    keys.copy(begin, 0);
    if (Tile::shared_queries) copy_queries<T, Tile>(params, memory, tile, rows.first, kv_head);
    arrive_with_copies(memory.arrivals[0]);
  }

  uint32_t queries[Tile::row_blocks][HeadSize / 16][4];
  if (!Tile::shared_queries) load_queries<T, Tile>(queries, params, memory, tile, rows.first, kv_head);
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

  int stage = 0;
  bool odd = false;  // parity of the current round through the stages, for wait_for_arrivals
#pragma unroll 1
  for (int first = begin; first < keys.range.end; first += Tile::keys) {
    // All threads have started to copy this tile, so none still reads the tile two before. With only two stages, none
    // may read the previous tile either.
    wait_for_arrivals(memory.arrivals[stage], odd);
    if (Tile::stages == 2) __syncthreads();
    const int next_stage = stage + 1 < Tile::stages ? stage + 1 : 0;
    if (warp == 0) keys.publish(first + 2 * Tile::keys, next_block);
    if (first + Tile::keys < keys.range.end) {
      keys.copy(first + Tile::keys, next_stage);
      arrive_with_copies(memory.arrivals[next_stage]);
    }
    if (warp == 0) next_block = keys.look_up(first + 3 * Tile::keys);
#pragma unroll 1
    for (int index = 0; index < Tile::keys; index += Tile::step_keys) {
      const WarpKeys kept_by = memory.warp_keys[warp];
      const KeyRange step = {first + index, first + index + Tile::step_keys};
      if (step.begin >= kept_by.some.end || step.end <= kept_by.some.begin) continue;
      float scores[Tile::row_blocks][Tile::step_keys / 8][4];
      prepare_scores<Modified>(scores, keys, rows, step.begin);
      multiply_keys<T, Tile>(scores, queries, memory, rows.first, memory.keys[stage], index);
      modify_scores<Modified>(scores, keys, tile, rows, step.begin);
      if (step.begin < kept_by.every.begin || step.end > kept_by.every.end || keys.any_bad_block(first)) {
        mask_scores(scores, keys, rows, step.begin);
      }
      update_rows(scores, state, outputs, factor);
      multiply_values<T, Tile, Vllm>(outputs, scores, memory.values[stage], index);
    }
    odd ^= next_stage == 0;
    stage = next_stage;
  }

  __syncthreads();
  store_rows<T, Tile>(outputs, state, factor, params, memory, tile, rows.first, kv_head);
}

}  // namespace attention
