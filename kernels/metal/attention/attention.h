#pragma once
#include "common/pack.h"

// What all attention kernels share: which rows a threadgroup computes, which keys each row attends to, and how a score
// is finished.
//
// Query rows of a sequence that share a KV head are numbered `row = token * group_size + head in group`, so a
// threadgroup serves a whole group of heads with one read of its keys and values. Exponentials are base 2:
// `score_factor` and `cap_factor` contain log2(e). The code relies on NaN and infinity, so it must be compiled without
// fast math's assumption that there are none.

constant int head_size [[function_constant(0)]];
constant int group_size [[function_constant(1)]];  // query heads per KV head
constant int rows_per_tile [[function_constant(2)]];
constant int lanes_per_key [[function_constant(3)]];   // used by attention_vector.h
constant bool has_cu_seqlens_q [[function_constant(4)]];  // else one token per sequence
constant bool is_causal [[function_constant(5)]];
constant bool has_softcap [[function_constant(6)]];
constant bool has_window [[function_constant(7)]];
constant bool has_alibi [[function_constant(8)]];
constant bool has_sinks [[function_constant(9)]];
constant bool has_mask [[function_constant(10)]];
constant bool has_lse [[function_constant(11)]];
constant bool is_split [[function_constant(12)]];  // results go to `partial_output` and `lse`, to be merged
constant bool vllm_layout [[function_constant(13)]];

// For loops over arrays that must stay in registers. The emulator gains nothing from it and compiles faster without.
#ifdef ATTENTION_EMULATOR
#define UNROLLED
#else
#define UNROLLED _Pragma("clang loop unroll(full)")
#endif

constant constexpr int num_simdgroups = 4;  // per threadgroup
constant constexpr int num_threads = 32 * num_simdgroups;
constant constexpr int keys_per_tile = 32;  // one per lane
constant constexpr float log2_e = 1.44269504088896341f;
constant constexpr float ln_2 = 0.69314718055994531f;

struct AttentionParams {
  int tokens;     // query rows in the batch
  int sequences;
  int kv_heads;
  int splits;     // pieces into which the keys are divided
  int window;
  float score_factor;  // scale * log2(e), or scale / softcap
  float cap_factor;    // softcap * log2(e)
  int num_blocks;  // paged: blocks in the cache
  int block_size;
  int max_blocks;  // columns of the block table
  int keys;        // contiguous: rows of key and value
  int mask_heads;  // the mask's shape; each extent is full or 1
  int mask_rows;
  int mask_keys;
};

/// Everything that an attention kernel reads and writes, except keys and values.
template <typename T>
struct AttentionTensors {
  device const T* query;             // [tokens, heads, head_size]
  device const float* alibi_slopes;  // [heads]
  device const float* sinks;         // [heads]
  device const float* mask;
  device T* output;              // [tokens, heads, head_size]
  device float* partial_output;  // [splits, tokens, heads, head_size]
  device float* lse;             // [tokens, heads], or [splits, tokens, heads]
};

/// The rows of one sequence that a threadgroup computes. Padding tokens, which belong to no sequence, form one extra
/// sequence without keys.
struct RowTile {
  int sequence;
  int first_token;  // the sequence's first token in the batch
  int query_length;
  int first_row;
  int num_rows;  // 0: nothing to do
};

/// The first token of a sequence. It is clamped, so that even with a corrupt cu_seqlens_q find_tile stays inside the
/// tensor and covers every row.
inline int query_start(device const int* cu_seqlens_q, constant AttentionParams& params, int sequence) {
  if (!has_cu_seqlens_q || sequence == 0) return sequence;
  return clamp(cu_seqlens_q[sequence], 0, params.tokens);
}

/// The first of the tiles reserved for a sequence. Because floor(b) - floor(a) + 1 >= ceil(b - a), this formula
/// reserves enough for any lengths without a prefix sum; surplus tiles have no rows.
inline int first_tile(device const int* cu_seqlens_q, constant AttentionParams& params, int sequence) {
  if (!has_cu_seqlens_q) return sequence * ((group_size + rows_per_tile - 1) / rows_per_tile);
  return query_start(cu_seqlens_q, params, sequence) * group_size / rows_per_tile + sequence;
}

inline RowTile find_tile(device const int* cu_seqlens_q, constant AttentionParams& params, int index) {
  int low = 0;
  int high = params.sequences;  // the padding sequence
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (first_tile(cu_seqlens_q, params, middle) <= index) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  RowTile tile;
  tile.sequence = low;
  tile.first_token = query_start(cu_seqlens_q, params, low);
  const int end = low < params.sequences ? query_start(cu_seqlens_q, params, low + 1) : params.tokens;
  tile.query_length = max(0, end - tile.first_token);
  tile.first_row = (index - first_tile(cu_seqlens_q, params, low)) * rows_per_tile;
  tile.num_rows = clamp(tile.query_length * group_size - tile.first_row, 0, rows_per_tile);
  return tile;
}

/// Keys `[begin, end)`.
struct KeyRange {
  int begin;
  int end;
};

/// The keys that the causal mask and the window leave to a query at `position`. Of `context_length` keys only
/// `capacity` are readable; the key at index `capacity` stands for all unreadable ones and makes its row NaN.
inline KeyRange kept_keys(int position, int context_length, int capacity, constant AttentionParams& params) {
  KeyRange range;
  range.end = is_causal ? clamp(position + 1, 0, context_length) : context_length;
  range.begin = has_window ? clamp(position + 1 - params.window, 0, range.end) : 0;
  if (range.end > capacity) {
    range.end = capacity + 1;
    range.begin = min(range.begin, capacity);
  }
  return range;
}

/// One row of a tile.
struct AttentionRow {
  int token;     // in the batch
  int head;      // among all query heads
  int position;  // of the query, in its sequence
  KeyRange keys;
};

inline AttentionRow tile_row(RowTile tile, int row, int kv_head, int context_length, int capacity,
                             constant AttentionParams& params) {
  AttentionRow found;
  const int token = (tile.first_row + row) / group_size;
  found.token = tile.first_token + token;
  found.head = kv_head * group_size + (tile.first_row + row) % group_size;
  found.position = context_length - tile.query_length + token;
  found.keys = kept_keys(found.position, context_length, capacity, params);
  return found;
}

/// The keys of a tile that belong to a split. Splits start at multiples of keys_per_tile.
inline KeyRange split_keys(RowTile tile, int split, int context_length, int capacity,
                           constant AttentionParams& params) {
  const int first = context_length - tile.query_length + tile.first_row / group_size;
  const int last = context_length - tile.query_length + (tile.first_row + tile.num_rows - 1) / group_size;
  KeyRange range;
  range.begin = kept_keys(first, context_length, capacity, params).begin;
  range.end = kept_keys(last, context_length, capacity, params).end;
  if (is_split) {
    const int start = range.begin / keys_per_tile;
    const int tiles = (range.end + keys_per_tile - 1) / keys_per_tile - start;
    const int tiles_per_split = (tiles + params.splits - 1) / params.splits;
    const int first_of_split = min(start + split * tiles_per_split, start + tiles);
    const int end_of_split = min(first_of_split + tiles_per_split, start + tiles);
    range.begin = max(range.begin, first_of_split * keys_per_tile);
    range.end = min(range.end, end_of_split * keys_per_tile);
  }
  return range;
}

inline ulong row_index(AttentionRow row, constant AttentionParams& params) {
  return ulong(row.token) * (params.kv_heads * group_size) + row.head;
}

/// The base-2 score of a kept key. `first_key` is the mask column of the sequence's first key.
template <typename T>
inline float finish_score(float product, AttentionRow row, int key, int first_key,
                          thread const AttentionTensors<T>& tensors, constant AttentionParams& params) {
  float score = product * params.score_factor;
  if (has_softcap) score = precise::tanh(score) * params.cap_factor;
  if (has_alibi) score += tensors.alibi_slopes[row.head] * log2_e * float(key - row.position);
  if (has_mask) {
    const long head = params.mask_heads == 1 ? 0 : row.head;
    const long mask_row = params.mask_rows == 1 ? 0 : row.token;
    const long mask_key = params.mask_keys == 1 ? 0 : first_key + key;
    score += tensors.mask[(head * params.mask_rows + mask_row) * params.mask_keys + mask_key] * log2_e;
  }
  return score;
}

/// The factor that normalizes a row's weighted sum of values, and the row's log-sum-exp.
struct RowResult {
  float factor;
  float lse;
};

/// `maximum` is the row's largest base-2 score and `sum` the sum of its exponentials; a NaN sum gives NaN.
template <typename T>
inline RowResult finish_row(float maximum, float sum, int head, thread const AttentionTensors<T>& tensors) {
  RowResult result;
  result.factor = 0.0f;
  result.lse = -INFINITY;
  if (sum == 0.0f) return result;
  float rescale = 1.0f;
  if (has_sinks && !is_split) {
    const float sink = tensors.sinks[head] * log2_e;
    const float larger = max(maximum, sink);
    rescale = precise::exp2(maximum - larger);
    sum = sum * rescale + precise::exp2(sink - larger);
    maximum = larger;
  }
  result.factor = rescale / sum;
  result.lse = (maximum + precise::log2(sum)) * ln_2;
  return result;
}

/// Stores element `d` of a finished row.
template <typename T>
inline void store_element(float value, AttentionRow row, int split, int d, thread const AttentionTensors<T>& tensors,
                          constant AttentionParams& params) {
  ulong index = row_index(row, params);
  if (is_split) {
    index += ulong(split) * params.tokens * (params.kv_heads * group_size);
    tensors.partial_output[index * head_size + d] = value;
  } else {
    tensors.output[index * head_size + d] = T(value);
  }
}

/// Stores the log-sum-exp of a finished row if the caller or the merge reads it.
template <typename T>
inline void store_lse(float lse, AttentionRow row, int split, thread const AttentionTensors<T>& tensors,
                      constant AttentionParams& params) {
  if (!has_lse && !is_split) return;
  ulong index = row_index(row, params);
  if (is_split) index += ulong(split) * params.tokens * (params.kv_heads * group_size);
  tensors.lse[index] = lse;
}

/// Stands for a block when the lane has no key.
constant constexpr int no_key = -2;
/// Stands for a block when the key exists but its block table entry is out of range.
constant constexpr int bad_block = -1;

/// Loads four elements as floats.
template <typename T>
inline float4 load4(device const T* from) {
  float elements[4];
  load_pack<4>(elements, from);
  return float4(elements[0], elements[1], elements[2], elements[3]);
}
