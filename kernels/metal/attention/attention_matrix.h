#pragma once
#include <metal_simdgroup_matrix>
#include "attention/attention.h"

// Attention with 8x8 simdgroup matrices, for prefill, and for decode with larger groups, in any layout: a tile of ROWS
// rows runs through tiles of 32 keys with FlashAttention-2's online softmax (Dao, 2023). Threadgroup memory holds the
// tile's queries, one tile of keys or values (at most 256 bytes of each row at a time) and the scores. The output stays
// in registers: its 8-column matrices are dealt out to the simdgroups in turn, each for all rows. In the softmax each
// lane handles one key. The code never relies on how a simdgroup_matrix spreads its elements over lanes.

constant constexpr int bytes_per_chunk = 256;  // of a key's or value's row

/// The layout of threadgroup memory. The launch passes `ROWS * 164 + 8704 + ROWS * (head_size * sizeof(T) + 16)` bytes.
template <typename T, int ROWS>
struct MatrixTile {
  threadgroup float* scores;     // [ROWS][32]; later the probabilities, as T, each row at the start of its scores
  threadgroup float* rescale;    // [ROWS / 8][8][8], diagonal matrices
  threadgroup float* factors;    // [ROWS]
  threadgroup T* key_or_value;   // [32][chunk_stride]
  threadgroup T* query;          // [ROWS][query_stride()]

  explicit MatrixTile(threadgroup float* memory) {
    scores = memory;
    rescale = scores + ROWS * keys_per_tile;
    factors = rescale + ROWS * 8;
    key_or_value = reinterpret_cast<threadgroup T*>(factors + ROWS);
    query = key_or_value + keys_per_tile * (bytes_per_chunk + 16) / sizeof(T);
  }

  threadgroup T* probabilities() const { return reinterpret_cast<threadgroup T*>(scores); }
  // Rows are padded by 16 bytes, against bank conflicts.
  int query_stride() const { return head_size + 16 / sizeof(T); }
};

/// Copies `columns` elements of 32 keys, from element `first_d`. `block` belongs to the lane's own key. Missing keys
/// become zeros, because 0 * NaN is NaN.
template <typename T, typename KeyValue>
inline void load_keys(threadgroup T* target, KeyValue key_value, int block, int first_key, int first_d, int columns,
                      int thread_index) {
  constexpr int stride = (bytes_per_chunk + 16) / sizeof(T);
  // Neighbouring threads read neighbouring addresses.
  constexpr int x = 16 / sizeof(T);
  constexpr int reads_per_x = x / 4;
  const int reads_per_key = columns / 4;
  for (int i = thread_index; i < keys_per_tile * reads_per_key; i += num_threads) {
    const int key = vllm_layout ? i / reads_per_x % keys_per_tile : i / reads_per_key;
    const int d = vllm_layout ? i / (reads_per_x * keys_per_tile) * x + i % reads_per_x * 4 : i % reads_per_key * 4;
    const int block_of_key = simd_shuffle(block, ushort(key));
    Pack<T, 4> elements;
    for (int j = 0; j < 4; j++) elements.elements[j] = T(0.0f);
    if (block_of_key >= 0) {
      elements = *reinterpret_cast<device const Pack<T, 4>*>(key_value.key4(block_of_key, first_key + key, first_d + d));
    }
    *reinterpret_cast<threadgroup Pack<T, 4>*>(target + key * stride + d) = elements;
  }
}

/// Likewise for values.
template <typename T, typename KeyValue>
inline void load_values(threadgroup T* target, KeyValue key_value, int block, int first_key, int first_d, int columns,
                        int thread_index) {
  constexpr int stride = (bytes_per_chunk + 16) / sizeof(T);
  if (vllm_layout) {
    const int key = thread_index % keys_per_tile;  // the lane, whose key `block` belongs to
    for (int d = thread_index / keys_per_tile; d < columns; d += num_threads / keys_per_tile) {
      target[key * stride + d] = block >= 0 ? *key_value.value1(block, first_key + key, first_d + d) : T(0.0f);
    }
    return;
  }
  const int reads_per_key = columns / 4;
  for (int i = thread_index; i < keys_per_tile * reads_per_key; i += num_threads) {
    const int key = i / reads_per_key;
    const int d = i % reads_per_key * 4;
    const int block_of_key = simd_shuffle(block, ushort(key));
    Pack<T, 4> elements;
    for (int j = 0; j < 4; j++) elements.elements[j] = T(0.0f);
    if (block_of_key >= 0) {
      elements =
          *reinterpret_cast<device const Pack<T, 4>*>(key_value.value4(block_of_key, first_key + key, first_d + d));
    }
    *reinterpret_cast<threadgroup Pack<T, 4>*>(target + key * stride + d) = elements;
  }
}

template <typename T, int ROWS, typename KeyValue>
inline void attend_matrix(RowTile tile, KeyValue key_value, int kv_head, int split,
                          thread const AttentionTensors<T>& tensors, constant AttentionParams& params,
                          threadgroup float* memory, int thread_index) {
  constexpr int row_blocks = ROWS / 8;
  constexpr int key_blocks = keys_per_tile / 8;
  constexpr int rows_per_simdgroup = ROWS / num_simdgroups;
  constexpr int chunk = bytes_per_chunk / sizeof(T);  // columns of keys or values that are in threadgroup memory at once
  constexpr int chunk_stride = chunk + 16 / sizeof(T);
  constexpr int probability_stride = keys_per_tile * sizeof(float) / sizeof(T);
  constexpr int fitting_head_size = 16384 / (ROWS * sizeof(T));  // the launch chooses ROWS so that head_size <= this
  constexpr int chunks = (fitting_head_size < 512 ? fitting_head_size : 512) / chunk;
  constexpr int matrices_per_chunk = chunk / (8 * num_simdgroups);  // output matrices per simdgroup

  const MatrixTile<T, ROWS> shared(memory);
  const int lane = thread_index % 32;
  const int simdgroup = thread_index / 32;
  const int context_length = key_value.context_length;
  const int capacity = key_value.capacity();
  const int query_stride = shared.query_stride();

  for (int i = thread_index; i < ROWS * (head_size / 4); i += num_threads) {
    const int r = i / (head_size / 4);
    const int d = i % (head_size / 4) * 4;
    Pack<T, 4> elements;
    for (int j = 0; j < 4; j++) elements.elements[j] = T(0.0f);
    if (r < tile.num_rows) {
      const AttentionRow row = tile_row(tile, r, kv_head, context_length, capacity, params);
      elements =
          *reinterpret_cast<device const Pack<T, 4>*>(tensors.query + row_index(row, params) * head_size + d);
    }
    *reinterpret_cast<threadgroup Pack<T, 4>*>(shared.query + r * query_stride + d) = elements;
  }
  for (int i = thread_index; i < ROWS * 8; i += num_threads) shared.rescale[i] = 0.0f;

  float maximum[rows_per_simdgroup];
  float denominator[rows_per_simdgroup];
  UNROLLED
  for (int i = 0; i < rows_per_simdgroup; i++) {
    maximum[i] = -INFINITY;
    denominator[i] = 0.0f;
  }
  simdgroup_matrix<float, 8, 8> sums[chunks * matrices_per_chunk][row_blocks];
  UNROLLED
  for (int i = 0; i < chunks * matrices_per_chunk; i++) {
    UNROLLED
    for (int b = 0; b < row_blocks; b++) sums[i][b] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  }

  const KeyRange range = split_keys(tile, split, context_length, capacity, params);
  for (int first_key = range.begin / keys_per_tile * keys_per_tile; first_key < range.end;
       first_key += keys_per_tile) {
    const int own_key = first_key + lane;
    const bool is_there = own_key >= range.begin && own_key < range.end;
    const int block = is_there ? key_value.block(own_key) : no_key;

    // Scores: row_blocks x key_blocks matrices, divided equally; those of a simdgroup lie in one block of rows.
    simdgroup_matrix<float, 8, 8> products[row_blocks];
    UNROLLED
    for (int i = 0; i < row_blocks; i++) products[i] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    const int row_block = simdgroup * row_blocks / key_blocks;
    UNROLLED
    for (int c = 0; c < chunks; c++) {
      const int columns = min(chunk, head_size - c * chunk);
      if (columns <= 0) continue;
      threadgroup_barrier(mem_flags::mem_threadgroup);  // the previous chunk has been used
      load_keys(shared.key_or_value, key_value, block, first_key, c * chunk, columns, thread_index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int d = 0; d < columns; d += 8) {
        simdgroup_matrix<T, 8, 8> queries;
        simdgroup_load(queries, shared.query + row_block * 8 * query_stride + c * chunk + d, query_stride);
        UNROLLED
        for (int i = 0; i < row_blocks; i++) {
          const int key_block = (simdgroup * row_blocks + i) % key_blocks;
          simdgroup_matrix<T, 8, 8> keys;
          simdgroup_load(keys, shared.key_or_value + key_block * 8 * chunk_stride + d, chunk_stride, ulong2(0, 0),
                         true);
          simdgroup_multiply_accumulate(products[i], queries, keys, products[i]);
        }
      }
    }
    UNROLLED
    for (int i = 0; i < row_blocks; i++) {
      const int key_block = (simdgroup * row_blocks + i) % key_blocks;
      simdgroup_store(products[i], shared.scores + row_block * 8 * keys_per_tile + key_block * 8, keys_per_tile);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    load_values(shared.key_or_value, key_value, block, first_key, 0, min(chunk, head_size), thread_index);
    UNROLLED
    for (int i = 0; i < rows_per_simdgroup; i++) {
      const int r = simdgroup + i * num_simdgroups;
      const AttentionRow row = tile_row(tile, min(r, tile.num_rows - 1), kv_head, context_length, capacity, params);
      float score = -INFINITY;
      if (is_there && own_key >= row.keys.begin && own_key < row.keys.end) {
        score = block == bad_block ? NAN
                                   : finish_score(shared.scores[r * keys_per_tile + lane], row, own_key,
                                                  key_value.first_key(), tensors, params);
      }
      const bool is_nan = isnan(score);
      const float larger = max(maximum[i], simd_max(is_nan ? -INFINITY : score));
      const float reference = larger == -INFINITY ? 0.0f : larger;
      const float probability = precise::exp2(score - reference);
      const float rescale = larger == -INFINITY ? 1.0f : precise::exp2(maximum[i] - larger);
      maximum[i] = larger;
      // A NaN only goes into its row's denominator: inside a matrix it would spread to other rows.
      denominator[i] = denominator[i] * rescale + simd_sum(probability);
      simdgroup_barrier(mem_flags::mem_threadgroup);  // all lanes have read the scores
      shared.probabilities()[r * probability_stride + lane] = T(is_nan ? 0.0f : probability);
      if (lane == 0) shared.rescale[r / 8 * 64 + r % 8 * 9] = rescale;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    UNROLLED
    for (int b = 0; b < row_blocks; b++) {
      const bool changes = simd_any(lane < 8 && shared.rescale[b * 64 + lane % 8 * 9] != 1.0f);
      if (!changes) continue;
      simdgroup_matrix<float, 8, 8> rescale;
      simdgroup_load(rescale, shared.rescale + b * 64, 8);
      UNROLLED
      for (int i = 0; i < chunks * matrices_per_chunk; i++) {
        if ((i * num_simdgroups + simdgroup) * 8 < head_size) simdgroup_multiply(sums[i][b], rescale, sums[i][b]);
      }
    }
    UNROLLED
    for (int c = 0; c < chunks; c++) {
      const int columns = min(chunk, head_size - c * chunk);
      if (columns <= 0) continue;
      if (c > 0) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        load_values(shared.key_or_value, key_value, block, first_key, c * chunk, columns, thread_index);
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
      UNROLLED
      for (int k = 0; k < key_blocks; k++) {
        simdgroup_matrix<T, 8, 8> probabilities[row_blocks];
        UNROLLED
        for (int b = 0; b < row_blocks; b++) {
          simdgroup_load(probabilities[b], shared.probabilities() + b * 8 * probability_stride + k * 8,
                         probability_stride);
        }
        UNROLLED
        for (int i = 0; i < matrices_per_chunk; i++) {
          const int column = (i * num_simdgroups + simdgroup) * 8;
          if (column >= columns) continue;
          simdgroup_matrix<T, 8, 8> values;
          simdgroup_load(values, shared.key_or_value + k * 8 * chunk_stride + column, chunk_stride);
          UNROLLED
          for (int b = 0; b < row_blocks; b++) {
            simdgroup_multiply_accumulate(sums[c * matrices_per_chunk + i][b], probabilities[b], values,
                                          sums[c * matrices_per_chunk + i][b]);
          }
        }
      }
    }
  }

  UNROLLED
  for (int i = 0; i < rows_per_simdgroup; i++) {
    const int r = simdgroup + i * num_simdgroups;
    if (r >= tile.num_rows) continue;
    const AttentionRow row = tile_row(tile, r, kv_head, context_length, capacity, params);
    const RowResult result = finish_row(maximum[i], denominator[i], row.head, tensors);
    if (lane == 0) {
      shared.factors[r] = result.factor;
      store_lse(result.lse, row, split, tensors, params);
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);  // also frees the scores' memory, which becomes staging

  threadgroup float* staging = shared.scores + simdgroup * 64;
  UNROLLED
  for (int b = 0; b < row_blocks; b++) {
    UNROLLED
    for (int i = 0; i < chunks * matrices_per_chunk; i++) {
      const int column = (i * num_simdgroups + simdgroup) * 8;
      if (column >= head_size) continue;
      simdgroup_store(sums[i][b], staging, 8);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      for (int e = lane; e < 64; e += 32) {
        const int r = b * 8 + e / 8;
        if (r >= tile.num_rows) continue;
        const AttentionRow row = tile_row(tile, r, kv_head, context_length, capacity, params);
        store_element(staging[e] * shared.factors[r], row, split, column + e % 8, tensors, params);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
  }
}

template <int ROWS>
struct MatrixAttention {
  template <typename T, typename KeyValue>
  static void attend(RowTile tile, KeyValue key_value, int kv_head, int split,
                     thread const AttentionTensors<T>& tensors, constant AttentionParams& params,
                     threadgroup float* memory, int thread_index) {
    attend_matrix<T, ROWS>(tile, key_value, kv_head, split, tensors, params, memory, thread_index);
  }
};
