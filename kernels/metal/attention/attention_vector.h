#pragma once
#include "attention/attention.h"

// Attention without matrices, for up to max_vector_rows rows of a KV head: decode with small groups. Teams of
// `lanes_per_key` lanes read one key each, at most 16 elements per lane, so a simdgroup reads 1, 2 or 4 keys at once;
// each team loads keys_in_flight keys before it uses any, to hide memory latency. Each team keeps its own online
// softmax state, and the states are merged at the end, first within a simdgroup by shuffles, then across simdgroups
// through threadgroup memory. The vllm layout is not supported, because there the values of one key are not contiguous.

constant constexpr int max_vector_rows = 3;
constant constexpr int keys_in_flight = 4;
constant constexpr int chunks_per_lane = 4;  // chunks of 4 elements

/// `scratch` holds num_simdgroups * rows_per_tile * (head_size + 2) floats.
template <typename T, typename KeyValue>
inline void attend_vector(RowTile tile, KeyValue key_value, int kv_head, int split,
                          thread const AttentionTensors<T>& tensors, constant AttentionParams& params,
                          threadgroup float* scratch, int thread_index) {
  const int lane = thread_index % 32;
  const int simdgroup = thread_index / 32;
  const int team = lane / lanes_per_key;
  const int teams = 32 / lanes_per_key;
  const int first_d = lane % lanes_per_key * 4;
  const int step_d = lanes_per_key * 4;

  AttentionRow rows[max_vector_rows];
  float4 query[max_vector_rows][chunks_per_lane];
  float4 sums[max_vector_rows][chunks_per_lane];
  float maximum[max_vector_rows];
  float denominator[max_vector_rows];
  UNROLLED
  for (int r = 0; r < max_vector_rows; r++) {
    if (r >= rows_per_tile) continue;
    rows[r] = tile_row(tile, min(r, tile.num_rows - 1), kv_head, key_value.context_length, key_value.capacity(),
                       params);
    device const T* source = tensors.query + row_index(rows[r], params) * head_size;
    UNROLLED
    for (int c = 0; c < chunks_per_lane; c++) {
      const int d = first_d + c * step_d;
      query[r][c] = d < head_size ? load4(source + d) : float4(0.0f);
      sums[r][c] = float4(0.0f);
    }
    maximum[r] = -INFINITY;
    denominator[r] = 0.0f;
  }

  const KeyRange range = split_keys(tile, split, key_value.context_length, key_value.capacity(), params);
  const int step = num_simdgroups * teams * keys_in_flight;
  for (int base = range.begin + simdgroup * teams * keys_in_flight; base < range.end; base += step) {
    int blocks[keys_in_flight];
    float4 scores[max_vector_rows];  // one component per key in flight
    UNROLLED
    for (int r = 0; r < max_vector_rows; r++) scores[r] = float4(0.0f);
    UNROLLED
    for (int k = 0; k < keys_in_flight; k++) {
      const int position = base + k * teams + team;
      blocks[k] = position < range.end ? key_value.block(position) : no_key;
      UNROLLED
      for (int c = 0; c < chunks_per_lane; c++) {
        const int d = first_d + c * step_d;
        if (blocks[k] < 0 || d >= head_size) continue;
        const float4 key = load4(key_value.key4(blocks[k], position, d));
        UNROLLED
        for (int r = 0; r < max_vector_rows; r++) {
          if (r < rows_per_tile) scores[r][k] += dot(query[r][c], key);
        }
      }
    }
    UNROLLED
    for (int r = 0; r < max_vector_rows; r++) {
      if (r >= rows_per_tile) continue;
      for (int distance = lanes_per_key / 2; distance > 0; distance /= 2) {
        scores[r] += simd_shuffle_xor(scores[r], ushort(distance));
      }
      float larger = maximum[r];
      UNROLLED
      for (int k = 0; k < keys_in_flight; k++) {
        const int position = base + k * teams + team;
        const bool kept = blocks[k] != no_key && position >= rows[r].keys.begin && position < rows[r].keys.end;
        float score = -INFINITY;
        if (kept) {
          score = blocks[k] == bad_block
                      ? NAN
                      : finish_score(scores[r][k], rows[r], position, key_value.first_key(), tensors, params);
        }
        scores[r][k] = score;
        if (score > larger) larger = score;  // false for NaN, which reaches the sums below
      }
      const float reference = larger == -INFINITY ? 0.0f : larger;
      const float rescale = precise::exp2(maximum[r] - reference);
      maximum[r] = larger;
      denominator[r] *= rescale;
      UNROLLED
      for (int c = 0; c < chunks_per_lane; c++) sums[r][c] *= rescale;
      UNROLLED
      for (int k = 0; k < keys_in_flight; k++) {
        scores[r][k] = precise::exp2(scores[r][k] - reference);
        denominator[r] += scores[r][k];
      }
    }
    UNROLLED
    for (int k = 0; k < keys_in_flight; k++) {
      const int position = base + k * teams + team;
      UNROLLED
      for (int c = 0; c < chunks_per_lane; c++) {
        const int d = first_d + c * step_d;
        if (blocks[k] < 0 || d >= head_size) continue;  // the denominator already makes the row NaN for a bad block
        const float4 value = load4(key_value.value4(blocks[k], position, d));
        UNROLLED
        for (int r = 0; r < max_vector_rows; r++) {
          if (r < rows_per_tile) sums[r][c] += scores[r][k] * value;
        }
      }
    }
  }

  // Merges the teams of each simdgroup, then the simdgroups.
  const int stride = head_size + 2;
  UNROLLED
  for (int r = 0; r < max_vector_rows; r++) {
    if (r >= rows_per_tile) continue;
    float larger = maximum[r];
    for (int distance = 16; distance >= lanes_per_key; distance /= 2) {
      larger = max(larger, simd_shuffle_xor(larger, ushort(distance)));
    }
    const float rescale = larger == -INFINITY ? 1.0f : precise::exp2(maximum[r] - larger);
    denominator[r] *= rescale;
    UNROLLED
    for (int c = 0; c < chunks_per_lane; c++) sums[r][c] *= rescale;
    for (int distance = 16; distance >= lanes_per_key; distance /= 2) {
      denominator[r] += simd_shuffle_xor(denominator[r], ushort(distance));
      UNROLLED
      for (int c = 0; c < chunks_per_lane; c++) {
        if (c * step_d < head_size) sums[r][c] += simd_shuffle_xor(sums[r][c], ushort(distance));
      }
    }
    threadgroup float* state = scratch + (simdgroup * rows_per_tile + r) * stride;
    if (team == 0) {
      UNROLLED
      for (int c = 0; c < chunks_per_lane; c++) {
        const int d = first_d + c * step_d;
        for (int i = 0; i < 4; i++) {
          if (d < head_size) state[d + i] = sums[r][c][i];
        }
      }
    }
    if (lane == 0) {
      state[head_size] = larger;
      state[head_size + 1] = denominator[r];
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  UNROLLED
  for (int r = 0; r < max_vector_rows; r++) {
    if (r >= tile.num_rows) continue;
    float factors[num_simdgroups];
    float larger = -INFINITY;
    UNROLLED
    for (int i = 0; i < num_simdgroups; i++) {
      larger = max(larger, scratch[(i * rows_per_tile + r) * stride + head_size]);
    }
    float total = 0.0f;
    UNROLLED
    for (int i = 0; i < num_simdgroups; i++) {
      threadgroup const float* state = scratch + (i * rows_per_tile + r) * stride;
      factors[i] = larger == -INFINITY ? 1.0f : precise::exp2(state[head_size] - larger);
      total += state[head_size + 1] * factors[i];
    }
    const RowResult result = finish_row(larger, total, rows[r].head, tensors);
    for (int d = thread_index; d < head_size; d += num_threads) {
      float sum = 0.0f;
      UNROLLED
      for (int i = 0; i < num_simdgroups; i++) sum += scratch[(i * rows_per_tile + r) * stride + d] * factors[i];
      store_element(sum * result.factor, rows[r], split, d, tensors, params);
    }
    if (thread_index == 0) store_lse(result.lse, rows[r], split, tensors, params);
  }
}

struct VectorAttention {
  template <typename T, typename KeyValue>
  static void attend(RowTile tile, KeyValue key_value, int kv_head, int split,
                     thread const AttentionTensors<T>& tensors, constant AttentionParams& params,
                     threadgroup float* scratch, int thread_index) {
    attend_vector(tile, key_value, kv_head, split, tensors, params, scratch, thread_index);
  }
};
