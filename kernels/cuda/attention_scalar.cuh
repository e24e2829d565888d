#pragma once
// Attention on CUDA cores, in exact float32. A block computes a tile of rows over its split of the keys, one tile of keys
// after the other. Keys and values pass through shared memory as float32, in chunks of their heads. The threads are
// divided three ways: over (rows, keys) for scores, over rows for the softmax, and over (keys, rows, elements) for the sums
// of values, which stay in registers.

#include "attention_rows.cuh"
#include "block_reduce.cuh"
#include "cache_layout.cuh"
#include "convert.cuh"
#include "shared_memory.cuh"

namespace attention {

constexpr int scalar_threads = 128;
constexpr int scalar_chunk = 64;                   // elements of a head
constexpr int scalar_stride = scalar_chunk + 4;    // of a key in shared memory; the 4 spread the banks
constexpr int scalar_columns = scalar_chunk / 4;  // threads along a chunk, 4 elements each

/// `Rows` x `Keys` scores at a time, of which a thread has ScoreRows x ScoreKeys; of the sums it has ValueRows x 4 in each of
/// at most MaxChunks chunks. Registers are for `Blocks` blocks on a multiprocessor.
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
  // The parts of the sums take the place of keys and scores in the end.
  static_assert(key_groups * Rows * scalar_chunk <= Keys * scalar_stride + Rows * score_stride);

  __host__ __device__ static constexpr int query_stride(int head_size) { return head_size + 4; }
  static constexpr size_t shared_bytes(int head_size) {
    return sizeof(float) * (Rows * query_stride(head_size) + Keys * scalar_stride + Rows * score_stride);
  }
};

/// How the keys are split. The results of a split are float32, for a merge.
struct ScalarSplits {
  int count;
  float* outputs;  // [count, T, H, D]; null for one split
  float* lses;     // [count, T, H]
};

/// Where a key lies: its block and its place in the block.
struct KeySlot {
  int block;
  int offset;
};
constexpr int bad_block = -1;  // of a key that should be there, but whose block table entry is out of range
constexpr int no_key = -2;     // outside of the split

/// One row of a tile, as the softmax needs it.
struct ScalarRow {
  int token;  // of the batch
  int head;   // of all query heads
  int position;
  KeyRange keys;
  float slope;        // ALiBi, base 2
  const float* mask;  // of the sequence's first key, or null
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

/// The part of a tile's keys that falls to a split. Splits start at multiples of `keys_per_tile`.
__device__ __forceinline__ KeyRange split_keys(const AttentionParams& params, const RowTile& tile, int context,
                                               int split, int splits, int keys_per_tile) {
  const int group = params.heads / params.kv_heads;
  const int capacity = key_capacity(params);
  const int first = context - tile.query_length + tile.first_row / group;
  const int last = context - tile.query_length + (tile.first_row + tile.num_rows - 1) / group;
  KeyRange range;
  range.begin = kept_keys(params, first, context, capacity).begin;
  range.end = kept_keys(params, last, context, capacity).end;
  const int start = range.begin / keys_per_tile;
  const int tiles = range.end / keys_per_tile + (range.end % keys_per_tile > 0) - start;
  const int tiles_per_split = tiles / splits + (tiles % splits > 0);
  const int64_t begin = (start + int64_t(split) * tiles_per_split) * keys_per_tile;
  const int64_t end = begin + int64_t(tiles_per_split) * keys_per_tile;
  range.begin = int(min(max(int64_t(range.begin), begin), int64_t(range.end)));
  range.end = int(min(int64_t(range.end), end));
  return range;
}

__device__ __forceinline__ KeySlot find_slot(const AttentionParams& params, int sequence, int first_key,
                                             int position) {
  if (!params.block_tables) return {first_key + position, 0};
  return {cache_block(params, sequence, position / params.block_size), position % params.block_size};
}

/// Base-2 score of a kept key.
__device__ __forceinline__ float finish_score(const AttentionParams& params, const ScoreFactors& factors,
                                              const ScalarRow& row, float product, int position) {
  float score = product * factors.product;
  if (params.softcap > 0.0f) score = tanhf(score) * factors.cap;
  if (params.alibi_slopes) score += row.slope * float(position - row.position);
  if (row.mask) score += row.mask[params.mask_keys == 1 ? 0 : position] * log2_e;
  return score;
}

/// Accesses of a thread to a chunk of a tile, of which so many are under way at once.
template <int Keys, typename T>
struct ScalarLoads {
  static constexpr int count = Keys * scalar_chunk / pack_size<T> / scalar_threads;
  static constexpr int batch = count < 4 ? count : 4;
  static_assert(count % batch == 0 && count * pack_size<T> * scalar_threads == Keys * scalar_chunk);
};

/// Elements [first_d, first_d + width) of the keys or values of a tile, whose heads' elements lie in packs of 16 bytes:
/// values of layout vllm do not. Keys that are not there are zeros.
template <int Keys, bool VllmKeys, typename T>
__device__ __forceinline__ void load_heads(float* to, const T* cache, const CacheSizes& sizes, const KeySlot* slots,
                                           int kv_head, int first_d, int width) {
  using Loads = ScalarLoads<Keys, T>;
  constexpr int n = pack_size<T>;
  constexpr int packs = scalar_chunk / n;
#pragma unroll 1
  for (int first = 0; first < Loads::count; first += Loads::batch) {
    Pack<T, n> loaded[Loads::batch];
    int targets[Loads::batch];
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      const int i = threadIdx.x + (first + load) * scalar_threads;
      // Neighbouring lanes read neighbouring packs.
      const int key = VllmKeys ? i % Keys : i / packs;
      const int d = (VllmKeys ? i / Keys : i % packs) * n;
      const KeySlot slot = slots[key];
      const int64_t offset =
          VllmKeys ? vllm_key_offset(sizes, slot.block, slot.offset, kv_head, first_d + d, n)
                   : flash_offset(sizes, slot.block, slot.offset, kv_head) + first_d + d;
      loaded[load] = {};
      if (d < width && slot.block >= 0) loaded[load] = *reinterpret_cast<const Pack<T, n>*>(cache + offset);
      targets[load] = d < width ? key * scalar_stride + d : -1;
    }
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      float elements[n];
#pragma unroll
      for (int j = 0; j < n; j++) elements[j] = to_float(loaded[load].elements[j]);
      if (targets[load] >= 0) store_pack<n>(to + targets[load], elements);
    }
  }
}

/// The same for values of layout vllm, where an element of neighbouring slots lies together.
template <int Keys, typename T>
__device__ __forceinline__ void load_vllm_values(float* to, const T* cache, const CacheSizes& sizes,
                                                 const KeySlot* slots, int kv_head, int first_d, int width) {
  using Loads = ScalarLoads<Keys, T>;
  constexpr int n = pack_size<T>;
#pragma unroll 1
  for (int first = 0; first < Loads::count; first += Loads::batch) {
    Pack<T, n> loaded[Loads::batch];
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      const int i = threadIdx.x + (first + load) * scalar_threads;
      const int d = i % scalar_chunk;
      const int key = i / scalar_chunk * n;  // the first of n in one block, any of which may not be there
      KeySlot slot = slots[key];
#pragma unroll
      for (int k = 1; k < n; k++) {
        const KeySlot other = slots[key + k];
        if (other.block >= 0) slot = {other.block, other.offset - k};
      }
      loaded[load] = {};
      if (d < width && slot.block >= 0) {
        const int64_t offset = vllm_value_offset(sizes, slot.block, slot.offset, kv_head, first_d + d);
        loaded[load] = *reinterpret_cast<const Pack<T, n>*>(cache + offset);
      }
    }
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      const int i = threadIdx.x + (first + load) * scalar_threads;
      const int d = i % scalar_chunk;
      const int key = i / scalar_chunk * n;
      if (d >= width) continue;
#pragma unroll
      for (int k = 0; k < n; k++) {
        to[(key + k) * scalar_stride + d] = slots[key + k].block >= 0 ? to_float(loaded[load].elements[k]) : 0.0f;
      }
    }
  }
}

__device__ __forceinline__ float4 load4(const float* from) { return *reinterpret_cast<const float4*>(from); }

/// Adds to scores[i][j] the products of `width` elements of rows first_row + i and keys first_key + j * key_step.
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

/// Adds to the sums of a thread's rows and elements its share of the keys: `weights` are its rows', `values` its elements.
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

/// One row's online softmax. The threads of a row hold the same maximum, and each the sum of its own keys.
template <typename Shape>
struct ScalarSoftmax {
  float maximum = -infinity;
  float sum = 0.0f;

  /// Turns the scores of a tile of keys into weights, in place. Returns the factor of the row's sums so far.
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
      larger = fmaxf(larger, kept[i]);  // not for NaN, which the sums carry on
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

/// Adds up the sums of the key groups, in their order, and stores the tile's rows. `memory` is shared.
template <typename To, typename Shape>
__device__ __forceinline__ void store_sums(const float4 (&sums)[Shape::max_chunks][Shape::value_rows], float* memory,
                                           const float* row_factors, const AttentionParams& params,
                                           const RowTile& tile, int kv_head, To* output) {
  const int group = params.heads / params.kv_heads;
  const int column = threadIdx.x % scalar_columns * 4;
  const int row_group = threadIdx.x / scalar_columns % Shape::row_groups;
  const int key_group = threadIdx.x / scalar_columns / Shape::row_groups;
#pragma unroll
  for (int chunk = 0; chunk < Shape::max_chunks; chunk++) {
    const int width = min(params.head_size - chunk * scalar_chunk, scalar_chunk);
    if (width <= 0) break;
#pragma unroll
    for (int i = 0; i < Shape::value_rows; i++) {
      const int row = row_group * Shape::value_rows + i;
      *reinterpret_cast<float4*>(memory + (key_group * Shape::rows + row) * scalar_chunk + column) = sums[chunk][i];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < Shape::rows * scalar_columns; i += scalar_threads) {
      const int row = i / scalar_columns;
      const int d = i % scalar_columns * 4;
      if (row >= tile.num_rows || d >= width) continue;
      float total[4] = {};
      for (int k = 0; k < Shape::key_groups; k++) {
        float part[4];
        load_pack<4>(part, memory + (k * Shape::rows + row) * scalar_chunk + d);
#pragma unroll
        for (int j = 0; j < 4; j++) total[j] += part[j];
      }
      const float factor = row_factors[row];
#pragma unroll
      for (int j = 0; j < 4; j++) total[j] = factor == 0.0f ? 0.0f : total[j] * factor;
      const int token = tile.first_token + (tile.first_row + row) / group;
      const int head = kv_head * group + (tile.first_row + row) % group;
      const int64_t start = output_row(params, token, head) * params.head_size;
      store_pack<4>(output + start + chunk * scalar_chunk + d, total);
    }
    __syncthreads();
  }
}

/// Grid: (tiles of rows, KV heads, splits).
template <typename T, typename Shape>
__global__ void __launch_bounds__(scalar_threads, Shape::blocks) attend_scalar_kernel(AttentionParams params, ScalarSplits splits) {
  __shared__ KeySlot slots[Shape::keys];
  __shared__ float row_factors[Shape::rows];
  const int group = params.heads / params.kv_heads;
  const int kv_head = blockIdx.y;
  const RowTile tile = find_tile(params, blockIdx.x, group, Shape::rows);
  if (tile.num_rows == 0) return;
  const int head_size = params.head_size;
  const int query_stride = Shape::query_stride(head_size);
  float* query = shared_memory<float>();  // [rows, query_stride]
  float* heads = query + Shape::rows * query_stride;  // of keys or values: [keys, scalar_stride]
  float* scores = heads + Shape::keys * scalar_stride;  // [rows, score_stride]

  const CacheSizes sizes = {params.num_blocks, params.block_tables ? params.block_size : 1, params.kv_heads,
                            head_size};
  const int context = context_length(params, tile.sequence);
  const int first_key = !params.block_tables && context > 0 ? max(params.cu_seqlens_k[tile.sequence], 0) : 0;
  const KeyRange range = split_keys(params, tile, context, blockIdx.z, splits.count, Shape::keys);
  const ScoreFactors factors = score_factors(params);

  const int packs = head_size / 4;
  for (int i = threadIdx.x; i < tile.num_rows * packs; i += scalar_threads) {
    const int row = i / packs;
    const int token = tile.first_token + (tile.first_row + row) / group;
    const int head = kv_head * group + (tile.first_row + row) % group;
    float elements[4];
    load_pack<4>(elements, params.query.as<T>() + output_row(params, token, head) * head_size + i % packs * 4);
    store_pack<4>(query + row * query_stride + i % packs * 4, elements);
  }

  const int softmax_row = threadIdx.x / Shape::threads_per_row;
  const ScalarRow row =
      scalar_row(params, tile, min(softmax_row, tile.num_rows - 1), kv_head, context, first_key);
  ScalarSoftmax<Shape> softmax;
  const int score_row = threadIdx.x / Shape::score_columns * Shape::score_rows;
  const int score_key = threadIdx.x % Shape::score_columns;
  const int column = threadIdx.x % scalar_columns * 4;
  const int value_row = threadIdx.x / scalar_columns % Shape::row_groups * Shape::value_rows;
  const int key_group = threadIdx.x / scalar_columns / Shape::row_groups;
  float4 sums[Shape::max_chunks][Shape::value_rows] = {};

  for (int64_t base = range.begin / Shape::keys * Shape::keys; base < range.end; base += Shape::keys) {
    if (threadIdx.x < Shape::keys) {
      const int64_t position = base + threadIdx.x;
      const bool exists = position >= range.begin && position < range.end;
      slots[threadIdx.x] = exists ? find_slot(params, tile.sequence, first_key, int(position)) : KeySlot{no_key, 0};
    }
    __syncthreads();

    float products[Shape::score_rows][Shape::score_keys] = {};
    for (int d = 0; d < head_size; d += scalar_chunk) {
      const int width = min(head_size - d, scalar_chunk);
      if (params.vllm_layout) {
        load_heads<Shape::keys, true>(heads, params.key.as<T>(), sizes, slots, kv_head, d, width);
      } else {
        load_heads<Shape::keys, false>(heads, params.key.as<T>(), sizes, slots, kv_head, d, width);
      }
      __syncthreads();
      if (score_row < tile.num_rows) {
        add_scores<Shape>(products, query + score_row * query_stride + d, query_stride, heads, score_key, width);
      }
      __syncthreads();
    }
    if (score_row < tile.num_rows) {
#pragma unroll
      for (int i = 0; i < Shape::score_rows; i++) {
#pragma unroll
        for (int j = 0; j < Shape::score_keys; j++) {
          scores[(score_row + i) * Shape::score_stride + score_key + j * Shape::score_columns] = products[i][j];
        }
      }
    }
    __syncthreads();
    const float rescale = softmax.update(params, factors, row, scores + softmax_row * Shape::score_stride, slots,
                                         int(base));
    if (threadIdx.x % Shape::threads_per_row == 0) row_factors[softmax_row] = rescale;

#pragma unroll
    for (int chunk = 0; chunk < Shape::max_chunks; chunk++) {
      const int d = chunk * scalar_chunk;
      if (d >= head_size) break;
      const int width = min(head_size - d, scalar_chunk);
      if (params.vllm_layout) {
        load_vllm_values<Shape::keys>(heads, params.value.as<T>(), sizes, slots, kv_head, d, width);
      } else {
        load_heads<Shape::keys, false>(heads, params.value.as<T>(), sizes, slots, kv_head, d, width);
      }
      __syncthreads();
      if (value_row < tile.num_rows && column < width) {
#pragma unroll
        for (int i = 0; i < Shape::value_rows; i++) {
          const float factor = row_factors[value_row + i];
          sums[chunk][i].x *= factor;
          sums[chunk][i].y *= factor;
          sums[chunk][i].z *= factor;
          sums[chunk][i].w *= factor;
        }
        add_values<Shape>(sums[chunk], scores + value_row * Shape::score_stride, heads + column, key_group);
      }
      __syncthreads();
    }
  }

  const bool is_split = splits.outputs != nullptr;
  const int64_t split_rows = int64_t(blockIdx.z) * params.tokens * params.heads;
  const RowResult result = finish_row(softmax.maximum, warp_sum<Shape::threads_per_row>(softmax.sum),
                                      is_split ? nullptr : params.sinks, row.head);
  if (threadIdx.x % Shape::threads_per_row == 0) {
    row_factors[softmax_row] = result.factor;
    float* lses = is_split ? splits.lses + split_rows : params.lse;
    if (lses && softmax_row < tile.num_rows) lses[output_row(params, row.token, row.head)] = result.lse;
  }
  __syncthreads();
  if (is_split) {
    store_sums<float, Shape>(sums, heads, row_factors, params, tile, kv_head, splits.outputs + split_rows * head_size);
  } else {
    store_sums<T, Shape>(sums, heads, row_factors, params, tile, kv_head, params.output.as<T>());
  }
}

}  // namespace attention
