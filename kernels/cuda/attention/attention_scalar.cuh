#pragma once
// Attention on CUDA cores, in exact float32. A block computes a tile of rows over its split of the keys, one tile of
// keys after the other, with an online softmax. Keys and values pass through shared memory in chunks of a head. The
// threads are divided three ways: over (rows, keys) for scores, over rows for the softmax, and over (keys, rows,
// elements) for the sums of values, which stay in registers.

#include "attention/attention_scalar_scores.cuh"
#include "common/shared_memory.cuh"

namespace attention {

/// The splits of the keys. Each split writes a float32 output and log-sum-exp, which merge_attention_states merges.
struct ScalarSplits {
  int count;
  float* outputs;  // [count, T, H, D]; null for one split
  float* lses;     // [count, T, H]
};

/// The keys of a tile that belong to a split. Splits start at multiples of `keys_per_tile`.
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

/// Adds the sums of the key groups in order, through shared memory, and stores the tile's rows.
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
        float partial[4];
        load_pack<4>(partial, memory + (k * Shape::rows + row) * scalar_chunk + d);
#pragma unroll
        for (int j = 0; j < 4; j++) total[j] += partial[j];
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
__global__ void __launch_bounds__(scalar_threads, Shape::blocks)
    attend_scalar_kernel(AttentionParams params, ScalarSplits splits) {
  __shared__ KeySlot slots[Shape::keys];
  __shared__ float row_factors[Shape::rows];
  const int group = params.heads / params.kv_heads;
  const int kv_head = blockIdx.y;
  const RowTile tile = find_tile(params, blockIdx.x, group, Shape::rows);
  if (tile.num_rows == 0) return;
  const int head_size = params.head_size;
  const int query_stride = Shape::query_stride(head_size);
  float* query = shared_memory<float>();  // [rows, query_stride]
  float* heads = query + Shape::rows * query_stride;  // one chunk of keys or values: [keys, scalar_stride]
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
