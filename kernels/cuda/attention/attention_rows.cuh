#pragma once
// Shared by all attention kernels: the rows of a block, the keys of a row, and the transformation of scores.
//
// The query rows of a sequence that share a KV head are numbered `row = token * group + head in the group`, so that a
// block computes a whole group with one read of its keys and values. Exponentials are base 2.

#include <cstdint>

#include "attention/attention.h"

namespace attention {

constexpr float log2_e = 1.44269504088896341f;
constexpr float ln_2 = 0.69314718055994531f;
constexpr float infinity = __builtin_huge_valf();

__device__ __forceinline__ float nan_value() { return __builtin_nanf(""); }

/// Sequences with at most this many query tokens are decoded: one, or as many as fit in the 16 rows of a tensor core
/// tile.
__host__ __device__ constexpr int decode_query_length(int group) { return group >= 16 ? 1 : 16 / group; }

/// The query tokens of one sequence. Tokens that belong to no sequence form an additional one without keys, the
/// padding.
struct QueryRange {
  int first_token;
  int length;
};

/// A sequence's first token. Whatever cu_seqlens_q holds, the first sequence starts at 0 and none starts outside the
/// tensor, so that find_tile neither leaves the tensor nor misses a row.
__device__ __forceinline__ int query_start(const AttentionParams& params, int sequence) {
  if (!params.cu_seqlens_q || sequence == 0) return sequence;
  return min(max(params.cu_seqlens_q[sequence], 0), params.tokens);
}

/// `sequence` may be params.sequences, the padding.
__device__ __forceinline__ QueryRange query_range(const AttentionParams& params, int sequence) {
  const int first = query_start(params, sequence);
  const int end = sequence < params.sequences ? query_start(params, sequence + 1) : params.tokens;
  return {first, max(0, end - first)};
}

/// The rows of one sequence that a block computes.
struct RowTile {
  int sequence;
  int first_token;   // of the sequence
  int query_length;  // of the sequence
  int first_row;
  int num_rows;  // 0: none
};

/// The first tile reserved for a sequence. This reserves enough tiles for any lengths without a prefix sum, because
/// floor(b) - floor(a) + 1 >= ceil(b - a).
__device__ __forceinline__ int first_tile(const AttentionParams& params, int sequence, int group, int rows_per_tile) {
  if (!params.cu_seqlens_q) return sequence * ((group + rows_per_tile - 1) / rows_per_tile);
  return int(int64_t(query_start(params, sequence)) * group / rows_per_tile) + sequence;
}

/// The number of tiles that first_tile reserves for all sequences and the padding.
inline int64_t count_tiles(const AttentionParams& params, int group, int rows_per_tile) {
  if (!params.cu_seqlens_q) return int64_t(params.sequences) * divide_up(group, rows_per_tile);
  return int64_t(params.tokens) * group / rows_per_tile + params.sequences + 1;
}

__device__ __forceinline__ RowTile find_tile(const AttentionParams& params, int index, int group, int rows_per_tile) {
  int low = 0;
  int high = params.sequences;  // the padding
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (first_tile(params, middle, group, rows_per_tile) <= index) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const QueryRange range = query_range(params, low);
  RowTile tile;
  tile.sequence = low;
  tile.first_token = range.first_token;
  tile.query_length = range.length;
  tile.first_row = (index - first_tile(params, low, group, rows_per_tile)) * rows_per_tile;
  tile.num_rows = min(max(range.length * group - tile.first_row, 0), rows_per_tile);
  return tile;
}

/// Keys `[begin, end)`.
struct KeyRange {
  int begin;
  int end;
};

/// The number of keys of a sequence. The padding has none.
__device__ __forceinline__ int context_length(const AttentionParams& params, int sequence) {
  if (sequence >= params.sequences) return 0;
  if (params.block_tables) return max(0, params.context_lens[sequence]);
  const int first = min(max(params.cu_seqlens_k[sequence], 0), params.keys);
  const int end = min(max(params.cu_seqlens_k[sequence + 1], first), params.keys);
  return end - first;
}

/// The number of keys that can be read: a block table may be too short for its sequence.
__device__ __forceinline__ int key_capacity(const AttentionParams& params) {
  if (!params.block_tables) return params.keys;
  const int64_t capacity = int64_t(params.max_blocks) * params.block_size;
  return capacity < INT32_MAX ? int(capacity) : INT32_MAX - 1;
}

/// The keys that causality and the window leave to a query at `position`. The key at `capacity` stands for all further
/// ones and makes its row NaN.
__device__ __forceinline__ KeyRange kept_keys(const AttentionParams& params, int position, int context, int capacity) {
  KeyRange range;
  range.end = params.causal ? min(max(position + 1, 0), context) : context;
  range.begin = params.window > 0 ? min(max(position + 1 - params.window, 0), range.end) : 0;
  if (range.end > capacity) {
    range.end = capacity + 1;
    range.begin = min(range.begin, capacity);
  }
  return range;
}

/// Factors that turn the product of query and key into a base-2 score.
struct ScoreFactors {
  float product;  // scale * log2(e); with a softcap, scale / softcap
  float cap;      // softcap * log2(e)
};

__host__ __device__ inline ScoreFactors score_factors(const AttentionParams& params) {
  if (params.softcap > 0.0f) return {params.scale / params.softcap, params.softcap * log2_e};
  return {params.scale * log2_e, 0.0f};
}

/// The index of a row's log-sum-exp. Its output starts at D times this index.
__device__ __forceinline__ int64_t output_row(const AttentionParams& params, int token, int head) {
  return int64_t(token) * params.heads + head;
}

/// The cache block in a column of a sequence's block table; -1 if the entry is out of range. Its keys make their rows
/// NaN.
__device__ __forceinline__ int cache_block(const AttentionParams& params, int sequence, int column) {
  if (column >= params.max_blocks) return -1;
  const int block = params.block_tables[int64_t(sequence) * params.max_blocks + column];
  return block >= 0 && block < params.num_blocks ? block : -1;
}

/// The final scaling of a row: the factor of its weighted sum of values, and its log-sum-exp.
struct RowResult {
  float factor;
  float lse;
};

/// Finishes a row from the maximum and sum of its base-2 exponentials. A sink is one more exponential. A NaN sum gives
/// NaN; a row without keys gives zeros.
__device__ __forceinline__ RowResult finish_row(float maximum, float sum, const float* sinks, int head) {
  if (sum == 0.0f) return {0.0f, -infinity};
  float rescale = 1.0f;
  if (sinks) {
    const float sink = sinks[head] * log2_e;
    const float larger = fmaxf(maximum, sink);
    rescale = exp2f(maximum - larger);
    sum = sum * rescale + exp2f(sink - larger);
    maximum = larger;
  }
  return {rescale / sum, (maximum + log2f(sum)) * ln_2};
}

}  // namespace attention
