#pragma once
// Copies keys and values to shared memory for decode attention, ahead of their use and across output tiles. Each warp
// (or the pair of warps that share keys for two groups of rows) has its own pipeline and needs no block-wide barrier.
//
// A slab holds 16 keys. Keys, and values of layout flash, are stored as [16][Padded]; values of layout vllm as
// [Padded][16]. Both consist of 16-byte chunks, swizzled so that neither copies nor load_matrices have bank conflicts.

#include "attention/attention_decode_work.cuh"
#include "cache/cache_layout.cuh"
#include "common/ptx.cuh"

namespace attention {

constexpr int slab_keys = 16;
constexpr int chunk_elements = 8;  // 16 bytes

/// Slabs per warp and tile. Short rows have more, to amortize the softmax's shuffles.
template <int Padded>
constexpr int slabs_per_slice = Padded <= 64 ? 2 : 1;

template <int Padded>
constexpr int slab_bytes = slab_keys * Padded * 2;

/// Bytes per slice and stage: slabs of keys, then of values.
template <int Padded>
constexpr int slice_bytes = 2 * slabs_per_slice<Padded> * slab_bytes<Padded>;

/// Byte offset of a chunk in a slab [16][Padded].
template <int Padded>
__device__ __forceinline__ int row_chunk(int key, int chunk) {
  return key * (Padded * 2) + (chunk ^ (key & 7)) * 16;
}

/// Byte offset of a chunk in a slab [Padded][16].
__device__ __forceinline__ int column_chunk(int d, int half) { return d * 32 + (half ^ (d >> 2 & 1)) * 16; }

template <typename T, int Padded, bool Vllm>
struct DecodeLoader {
  static constexpr int slabs = slabs_per_slice<Padded>;
  static constexpr int halves = 2 * slabs;  // of eight keys; each has one block table entry
  static constexpr int tiles_per_batch = warp_size / halves;

  const AttentionParams& params;
  const DecodeConfig& config;
  int slice;
  bool loads_keys;
  bool loads_values;
  WorkCursor cursor;
  Segment segment;
  int tile = 0;
  bool is_done = false;
  int entries = 0;  // block table entries: lane i holds that of half i % halves of tile i / halves of the batch
  int next_entries = 0;

  __device__ __forceinline__ DecodeLoader(const AttentionParams& params, const DecodeConfig& config, int slice,
                                          int row_group, const WorkCursor& cursor)
      : params(params),
        config(config),
        slice(slice),
        loads_keys(row_group == 0),
        loads_values(row_group == config.row_groups - 1),
        cursor(cursor) {
    segment.tiles = 0;
  }

  /// Starts the copies of the next tile, if any.
  __device__ __forceinline__ void load_next(unsigned char* target) {
    while (!is_done && tile == segment.tiles) {
      is_done = !cursor.next(segment, params, config);
      tile = 0;
      if (is_done || segment.tiles == 0 || !params.block_tables) continue;
      entries = table_entry(0);
      next_entries = table_entry(tiles_per_batch);
    }
    if (is_done) return;
    if (tile > 0 && tile % tiles_per_batch == 0) {
      entries = next_entries;
      next_entries = table_entry(tile + tiles_per_batch);
    }
    const int first_key = slice_key(tile);
    const int kv_head = segment.output_tile / config.row_tiles;
#pragma unroll
    for (int slab = 0; slab < slabs; slab++) {
      int blocks[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        blocks[half] = __shfl_sync(all_lanes, entries, tile % tiles_per_batch * halves + slab * 2 + half);
      }
      unsigned char* keys = target + slab * slab_bytes<Padded>;
      unsigned char* values = keys + slabs * slab_bytes<Padded>;
      const int key = first_key + slab * slab_keys;
      if constexpr (Vllm) {
        if (loads_keys) copy_vllm_keys(keys, blocks, key, kv_head);
        if (loads_values) copy_vllm_values(values, blocks, key, kv_head);
        if (blocks[0] < 0) clear_half(keys, values, 0, key);
        if (blocks[1] < 0) clear_half(keys, values, 1, key + 8);
      } else {
        copy_flash(keys, values, blocks, key, kv_head);
      }
    }
    tile++;
  }

 private:
  __device__ __forceinline__ int slice_key(int tile) const {
    return segment.first_key + (tile << config.tile_shift) + slice * (slabs * slab_keys);
  }

  __device__ __forceinline__ bool is_needed(int key) const {
    return key >= segment.work.keys.begin && key < segment.work.keys.end;
  }

  __device__ __forceinline__ int table_entry(int first_tile) const {
    const int lane = threadIdx.x % warp_size;
    const int ahead = first_tile + lane / halves;
    if (ahead >= segment.tiles) return 0;
    const int key = slice_key(ahead) + lane % halves * 8;
    const bool has_needed = key + 8 > segment.work.keys.begin && key < segment.work.keys.end;
    return has_needed ? cache_block(params, segment.sequence, key >> config.block_shift) : 0;
  }

  /// Copies with eight lanes per row. Elements that are not needed become zeros, because 0 * NaN is NaN.
  __device__ __forceinline__ void copy_flash(unsigned char* keys, unsigned char* values, const int (&blocks)[2],
                                             int first_key, int kv_head) const {
    const int lane = threadIdx.x % warp_size;
    const bool all_needed = params.head_size == Padded && first_key >= segment.work.keys.begin &&
                            first_key + slab_keys <= segment.work.keys.end;
    const int head_offset = kv_head * params.head_size + lane % 8 * chunk_elements;
    const int64_t row_elements = int64_t(params.kv_heads) * params.head_size;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int key = first_key + half * 8;
      if (blocks[half] < 0) {
        clear_half(keys, values, half, key);
        continue;
      }
      int64_t slot;
      if (params.block_tables) {
        slot = int64_t(blocks[half]) * params.block_size + (key & (params.block_size - 1));
      } else {
        slot = int64_t(max(params.cu_seqlens_k[segment.sequence], 0)) + key;
      }
      const int64_t offset = (slot + lane / 8) * row_elements + head_offset;
      const T* key_source = static_cast<const T*>(params.key.data) + offset;
      const T* value_source = static_cast<const T*>(params.value.data) + offset;
      if (all_needed) {
        if (loads_keys) copy_half<true>(keys, key_source, half, key);
        if (loads_values) copy_half<true>(values, value_source, half, key);
      } else {
        if (loads_keys) copy_half<false>(keys, key_source, half, key);
        if (loads_values) copy_half<false>(values, value_source, half, key);
      }
    }
  }

  /// Copies eight rows of a slab. `source` is the lane's chunk in the first four.
  template <bool AllNeeded>
  __device__ __forceinline__ void copy_half(unsigned char* slab, const T* source, int half, int first_key) const {
    const int lane = threadIdx.x % warp_size;
    const int64_t row_elements = int64_t(params.kv_heads) * params.head_size;
#pragma unroll
    for (int j = 0; j < 2; j++) {
      const int row = lane / 8 + j * 4;
#pragma unroll
      for (int m = 0; m < Padded / 64; m++) {
        unsigned char* target = slab + row_chunk<Padded>(half * 8 + row, lane % 8) + m * 128;
        const T* chunk = source + j * 4 * row_elements + m * 64;
        if constexpr (AllNeeded) {
          copy_async(target, chunk);
        } else {
          copy_async(target, chunk,
                     is_needed(first_key + row) && (lane % 8 + m * 8) * chunk_elements < params.head_size);
        }
      }
    }
  }

  /// Fills in eight keys whose block table entry is out of range: reads nothing, and sets the keys to NaN so that their
  /// scores become NaN.
  __device__ __forceinline__ void clear_half(unsigned char* keys, unsigned char* values, int half,
                                             int first_key) const {
    const int lane = threadIdx.x % warp_size;
    for (int i = lane; i < Padded; i += warp_size) {
      const int row = i % 8;
      const int place = row_chunk<Padded>(half * 8 + row, i / 8);
      if (loads_keys) store_chunk(keys + place, i / 8 == 0 && is_needed(first_key + row));
      if (loads_values) store_chunk(values + (Vllm ? column_chunk(i, half) : place), false);
    }
  }

  __device__ __forceinline__ void store_chunk(unsigned char* target, bool is_nan) const {
    const uint32_t bits = is_nan ? 0xffffffffu : 0u;
    *reinterpret_cast<uint4*>(target) = uint4{bits, bits, bits, bits};
  }

  __device__ __forceinline__ CacheSizes sizes() const {
    return {params.num_blocks, params.block_size, params.kv_heads, params.head_size};
  }

  /// Each lane copies chunks of one of 16 keys: for each chunk, the keys of a block are contiguous.
  __device__ __forceinline__ void copy_vllm_keys(unsigned char* keys, const int (&blocks)[2], int first_key,
                                                 int kv_head) const {
    const int lane = threadIdx.x % warp_size;
    const int key = first_key + lane % slab_keys;
    const int block = lane % slab_keys < 8 ? blocks[0] : blocks[1];
    if (block < 0) return;
    const bool needs_key = is_needed(key);
    const int first_chunk = lane / slab_keys;
    const T* source = static_cast<const T*>(params.key.data) +
                      vllm_key_offset(sizes(), block, key & (params.block_size - 1), kv_head,
                                      first_chunk * chunk_elements, chunk_elements);
#pragma unroll
    for (int m = 0; m < Padded / 16; m++) {
      const int chunk = first_chunk + m * 2;
      copy_async(keys + row_chunk<Padded>(lane % slab_keys, chunk),
                 source + int64_t(m * 2 * chunk_elements) * params.block_size,
                 needs_key && chunk * chunk_elements < params.head_size);
    }
  }

  /// Each lane copies eight keys of one element d. Keys among the eight that are not needed are masked at their use.
  __device__ __forceinline__ void copy_vllm_values(unsigned char* values, const int (&blocks)[2], int first_key,
                                                   int kv_head) const {
    const int lane = threadIdx.x % warp_size;
    const int half = lane % 2;
    const int key = first_key + half * 8;
    const int block = half == 0 ? blocks[0] : blocks[1];
    if (block < 0) return;
    const bool needs_keys = key + 8 > segment.work.keys.begin && key < segment.work.keys.end;
    const int first_d = lane / 2;
    const T* source =
        static_cast<const T*>(params.value.data) +
        vllm_value_offset(sizes(), block, key & (params.block_size - 1), kv_head, first_d);
#pragma unroll
    for (int m = 0; m < Padded / 16; m++) {
      const int d = first_d + m * 16;
      copy_async(values + column_chunk(d, half), source + int64_t(m * 16) * params.block_size,
                 needs_keys && d < params.head_size);
    }
  }
};

}  // namespace attention
