#pragma once
// The work of a thread in attention on CUDA cores for a tile of keys and values: scores, softmax, weighted sums.

#include "attention/attention_scalar_load.cuh"
#include "common/block_reduce.cuh"

namespace attention {

/// The shape of a block's work: tiles of `Rows` x `Keys` scores, of which a thread computes ScoreRows x ScoreKeys. Of
/// the weighted sums, it holds ValueRows x 4 in each of at most MaxChunks chunks. Registers are limited so that
/// `Blocks` blocks fit on a multiprocessor.
template <int Rows, int Keys, int ScoreRows, int ScoreKeys, int ValueRows, int MaxChunks, int Blocks>
struct ScalarShape {
  static constexpr int rows = Rows;
  static constexpr int keys = Keys;
  static constexpr int score_rows = ScoreRows;
  static constexpr int score_keys = ScoreKeys;
  static constexpr int value_rows = ValueRows;
  static constexpr int max_chunks = MaxChunks;
  static constexpr int blocks = Blocks;
  static constexpr int max_head_size = MaxChunks * scalar_chunk;

  static constexpr int score_columns = Keys / ScoreKeys;        // threads along the keys
  static constexpr int threads_per_row = scalar_threads / Rows;  // in the softmax
  static constexpr int keys_per_thread = Keys / threads_per_row;
  static constexpr int row_groups = Rows / ValueRows;
  static constexpr int key_groups = scalar_threads / scalar_columns / row_groups;
  static constexpr int score_stride = Keys + 4;
  static_assert(Rows / ScoreRows * score_columns == scalar_threads && threads_per_row <= warp_size);
  static_assert(key_groups * row_groups * scalar_columns == scalar_threads && Keys % (4 * key_groups) == 0);
  // The partial sums reuse the memory of keys and scores at the end.
  static_assert(key_groups * Rows * scalar_chunk <= Keys * scalar_stride + Rows * score_stride);

  __host__ __device__ static constexpr int query_stride(int head_size) { return head_size + 4; }
  static constexpr size_t shared_bytes(int head_size) {
    return sizeof(float) * (Rows * query_stride(head_size) + Keys * scalar_stride + Rows * score_stride);
  }
};

/// A row's data for the softmax.
struct ScalarRow {
  int token;  // in the batch
  int head;   // among all query heads
  int position;
  KeyRange keys;
  float slope;        // ALiBi, base 2
  const float* mask;  // entry of the sequence's first key, or null
};

__device__ __forceinline__ ScalarRow scalar_row(const AttentionParams& params, const RowTile& tile, int row,
                                                int kv_head, int context, int first_key) {
  const int group = params.heads / params.kv_heads;
  const int token = (tile.first_row + row) / group;
  ScalarRow found;
  found.token = tile.first_token + token;
  found.head = kv_head * group + (tile.first_row + row) % group;
  found.position = context - tile.query_length + token;
  found.keys = kept_keys(params, found.position, context, key_capacity(params));
  found.slope = params.alibi_slopes ? params.alibi_slopes[found.head] * log2_e : 0.0f;
  found.mask = nullptr;
  if (params.mask) {
    const int64_t head = params.mask_heads == 1 ? 0 : found.head;
    const int64_t mask_row = params.mask_rows == 1 ? 0 : found.token;
    found.mask = params.mask + (head * params.mask_rows + mask_row) * params.mask_keys;
    if (params.mask_keys != 1) found.mask += first_key;
  }
  return found;
}

/// The base-2 score of a kept key.
__device__ __forceinline__ float finish_score(const AttentionParams& params, const ScoreFactors& factors,
                                              const ScalarRow& row, float product, int position) {
  float score = product * factors.product;
  if (params.softcap > 0.0f) score = tanhf(score) * factors.cap;
  if (params.alibi_slopes) score += row.slope * float(position - row.position);
  if (row.mask) score += row.mask[params.mask_keys == 1 ? 0 : position] * log2_e;
  return score;
}

__device__ __forceinline__ float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }

/// Adds to scores[i][j] the product of `width` elements of query row i and key first_key + j * Shape::score_columns.
template <typename Shape>
__device__ __forceinline__ void add_scores(float (&scores)[Shape::score_rows][Shape::score_keys], const float* query,
                                           int query_stride, const float* keys, int first_key, int width) {
#pragma unroll 2
  for (int d = 0; d < width; d += 4) {
    float4 q[Shape::score_rows];
#pragma unroll
    for (int i = 0; i < Shape::score_rows; i++) q[i] = load4(query + i * query_stride + d);
#pragma unroll
    for (int j = 0; j < Shape::score_keys; j++) {
      const float4 k = load4(keys + (first_key + j * Shape::score_columns) * scalar_stride + d);
#pragma unroll
      for (int i = 0; i < Shape::score_rows; i++) {
        scores[i][j] = fmaf(q[i].x, k.x, scores[i][j]);
        scores[i][j] = fmaf(q[i].y, k.y, scores[i][j]);
        scores[i][j] = fmaf(q[i].z, k.z, scores[i][j]);
        scores[i][j] = fmaf(q[i].w, k.w, scores[i][j]);
      }
    }
  }
}

/// Adds the thread's share of the keys to its weighted sums. `weights` starts at its rows, `values` at its elements.
template <typename Shape>
__device__ __forceinline__ void add_values(float4 (&sums)[Shape::value_rows], const float* weights,
                                           const float* values, int key_group) {
#pragma unroll 2
  for (int key = key_group * 4; key < Shape::keys; key += Shape::key_groups * 4) {
    float4 v[4];
#pragma unroll
    for (int k = 0; k < 4; k++) v[k] = load4(values + (key + k) * scalar_stride);
#pragma unroll
    for (int i = 0; i < Shape::value_rows; i++) {
      const float4 weight4 = load4(weights + i * Shape::score_stride + key);
      const float weight[4] = {weight4.x, weight4.y, weight4.z, weight4.w};
#pragma unroll
      for (int k = 0; k < 4; k++) {
        sums[i].x = fmaf(weight[k], v[k].x, sums[i].x);
        sums[i].y = fmaf(weight[k], v[k].y, sums[i].y);
        sums[i].z = fmaf(weight[k], v[k].z, sums[i].z);
        sums[i].w = fmaf(weight[k], v[k].w, sums[i].w);
      }
    }
  }
}

/// The online softmax of a row. The threads of a row hold the same maximum, and each the sum over its own keys.
template <typename Shape>
struct ScalarSoftmax {
  float maximum = -infinity;
  float sum = 0.0f;

  /// Turns the scores of a tile of keys into weights, in place. Returns the factor by which the row's earlier sums must
  /// be scaled.
  __device__ __forceinline__ float update(const AttentionParams& params, const ScoreFactors& factors,
                                          const ScalarRow& row, float* scores, const KeySlot* slots, int base) {
    const int first = threadIdx.x % Shape::threads_per_row;
    float kept[Shape::keys_per_thread];
    float larger = maximum;
#pragma unroll
    for (int i = 0; i < Shape::keys_per_thread; i++) {
      const int key = first + i * Shape::threads_per_row;
      const int position = base + key;
      const int block = slots[key].block;
      kept[i] = -infinity;
      if (block != no_key && position >= row.keys.begin && position < row.keys.end) {
        kept[i] = block == bad_block ? nan_value() : finish_score(params, factors, row, scores[key], position);
      }
      larger = fmaxf(larger, kept[i]);  // ignores NaN, which propagates through the sums
    }
    larger = warp_max<Shape::threads_per_row>(larger);
    const float reference = larger == -infinity ? 0.0f : larger;
    const float rescale = exp2f(maximum - reference);
    maximum = larger;
    sum *= rescale;
#pragma unroll
    for (int i = 0; i < Shape::keys_per_thread; i++) {
      const float weight = exp2f(kept[i] - reference);
      sum += weight;
      scores[first + i * Shape::threads_per_row] = weight;
    }
    return rescale;
  }
};

}  // namespace attention
