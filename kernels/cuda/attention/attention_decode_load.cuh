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

/// Bytes of the queries of 16 rows.
template <int Padded>
constexpr int query_bytes = 16 * Padded * 2;

constexpr int max_stages = 4;

/// What a warp knows of its work, in shared memory. A step of the pipeline is a tile, so the segments from the one that
/// the warp computes to the one that it loads are at most as many as stages.
struct WarpWork {
  WorkCursor cursor;
  Segment segments[max_stages];
};

/// Byte offset of a chunk in a slab [16][Padded].
template <int Padded>
__device__ __forceinline__ int row_chunk(int key, int chunk) {
  return key * (Padded * 2) + (chunk ^ (key & 7)) * 16;
}

/// The address of chunk `chunk + 2 * pair` of a key, given that of its chunk 0 or 1.
__device__ __forceinline__ uint32_t chunk_pair(uint32_t chunk, int pair) {
  return (chunk ^ (pair % 4 * 32)) + pair / 4 * 128;
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
  WarpWork& work;
  int slice;
  bool loads_keys;
  bool loads_values;
  int tile = 0;  // the next one of the segment
  int tiles = 0;
  int steps = 0;  // started so far: one per tile, and one per segment without tiles
  int segments = 0;
  int entries = 0;  // block table entries: lane i holds that of half i % halves of tile i / halves of the batch
  int next_entries = 0;
  unsigned missing = 0;  // of the last steps: a bit per half whose block table entry is out of range
  const T* keys = nullptr;  // of the segment's KV head
  const T* values = nullptr;

  __device__ __forceinline__ DecodeLoader(const AttentionParams& params, const DecodeConfig& config, WarpWork& work,
                                          int slice, int row_group)
      : params(params),
        config(config),
        work(work),
        slice(slice),
        loads_keys(row_group == 0),
        loads_values(row_group == config.row_groups - 1) {}

  /// Starts the copies of the next step, if any, to the stage at shared address `stage`.
  __device__ __forceinline__ void load_next(uint32_t stage) {
    missing <<= halves;
    if (tile >= tiles && !start_segment()) return;
    steps++;
    if (tiles == 0) return;
    const Segment& segment = work.segments[(segments - 1) % max_stages];
    if (params.block_tables && tile % tiles_per_batch == 0) {
      entries = tile == 0 ? table_entry(segment, 0) : next_entries;
      next_entries = table_entry(segment, tile + tiles_per_batch);
    }
    const KeyRange needed = segment.work.keys;
    const int first_key = slice_key(segment, tile);
#pragma unroll
    for (int slab = 0; slab < slabs; slab++) {
      int blocks[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int entry = slab * 2 + half;
        blocks[half] = __shfl_sync(all_lanes, entries, tile % tiles_per_batch * halves + entry);
        missing |= unsigned(blocks[half] < 0) << entry;
      }
      const uint32_t key_slab = stage + slab * slab_bytes<Padded>;
      const uint32_t value_slab = key_slab + slabs * slab_bytes<Padded>;
      const int key = first_key + slab * slab_keys;
      if constexpr (Vllm) {
        if (loads_keys) copy_vllm_keys(key_slab, blocks, needed, key);
        if (loads_values) copy_vllm_values(value_slab, blocks, needed, key);
      } else {
        copy_flash(key_slab, value_slab, blocks, needed, key);
      }
    }
    tile++;
  }

  /// The missing halves of the step that started `ago` calls of load_next ago.
  __device__ __forceinline__ unsigned missing_halves(int ago) const {
    return missing >> (ago * halves) & ((1u << halves) - 1);
  }

 private:
  /// Moves on to the next segment; false if there is none.
  __device__ __forceinline__ bool start_segment() {
    Segment segment;
    WorkCursor cursor = work.cursor;
    const bool is_there = cursor.next(segment, params, config);
    __syncwarp();
    if (threadIdx.x % warp_size == 0) {
      work.cursor = cursor;
      if (is_there) work.segments[segments % max_stages] = segment;
    }
    __syncwarp();
    if (!is_there) return false;
    segments++;
    tile = 0;
    tiles = segment.tiles;
    int64_t first = int64_t(segment.kv_head) * params.head_size;
    if constexpr (Vllm) first = 0;
    if (!params.block_tables) {
      first += int64_t(max(params.cu_seqlens_k[segment.sequence], 0)) * params.kv_heads * params.head_size;
    }
    keys = static_cast<const T*>(params.key.data) + first;
    values = static_cast<const T*>(params.value.data) + first;
    return true;
  }

  __device__ __forceinline__ int slice_key(const Segment& segment, int tile) const {
    return segment.first_key + (tile << config.tile_shift) + slice * (slabs * slab_keys);
  }

  __device__ __forceinline__ int table_entry(const Segment& segment, int first_tile) const {
    const int lane = threadIdx.x % warp_size;
    const int ahead = first_tile + lane / halves;
    if (ahead >= tiles) return 0;
    const int key = slice_key(segment, ahead) + lane % halves * 8;
    const bool has_needed = key + 8 > segment.work.keys.begin && key < segment.work.keys.end;
    return has_needed ? cache_block(params, segment.sequence, key >> config.block_shift) : 0;
  }

  /// Copies with eight lanes per row. Elements that are not needed become zeros, because 0 * NaN is NaN.
  __device__ __forceinline__ void copy_flash(uint32_t key_slab, uint32_t value_slab, const int (&blocks)[2],
                                             const KeyRange& needed, int first_key) const {
    const int lane = threadIdx.x % warp_size;
    const int chunk = lane % 8;
    const int row = lane / 8;
    const int row_elements = params.kv_heads * params.head_size;
    const int keys_per_block = params.block_tables ? params.block_size : 0;
    const int key_mask = keys_per_block - 1;  // contiguous keys: one block with all of them
    const int64_t block_elements = int64_t(keys_per_block) * row_elements;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int key = first_key + half * 8;
      const int64_t offset = blocks[half] * block_elements + int64_t((key & key_mask) + row) * row_elements +
                             chunk * chunk_elements;
      const T* const key_source = keys + offset;
      const T* const value_source = values + offset;
      const unsigned num_needed = blocks[half] < 0 ? 0 : needed.end - needed.begin;
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const bool needs_row = unsigned(key + row + j * 4 - needed.begin) < num_needed;
        const uint32_t target = row_chunk<Padded>(half * 8 + row + j * 4, chunk);
#pragma unroll
        for (int m = 0; m < Padded / 64; m++) {
          const bool is_valid = needs_row && chunk * chunk_elements < params.head_size - m * 64;
          const int64_t ahead = j * 4 * row_elements + m * 64;
          if (loads_keys) copy_async(key_slab + target + m * 128, key_source + ahead, is_valid);
          if (loads_values) copy_async(value_slab + target + m * 128, value_source + ahead, is_valid);
        }
      }
    }
  }

  __device__ __forceinline__ int kv_head() const { return work.segments[(segments - 1) % max_stages].kv_head; }

  __device__ __forceinline__ CacheSizes sizes() const {
    return {params.num_blocks, params.block_size, params.kv_heads, params.head_size};
  }

  /// Each lane copies chunks of one of 16 keys: for each chunk, the keys of a block are contiguous.
  __device__ __forceinline__ void copy_vllm_keys(uint32_t slab, const int (&blocks)[2], const KeyRange& needed,
                                                 int first_key) const {
    const int lane = threadIdx.x % warp_size;
    const int key = first_key + lane % slab_keys;
    const int block = lane % slab_keys < 8 ? blocks[0] : blocks[1];
    const bool needs_key = block >= 0 && key >= needed.begin && key < needed.end;
    const int first_chunk = lane / slab_keys;
    const T* source = keys + vllm_key_offset(sizes(), block, key & (params.block_size - 1), kv_head(),
                                             first_chunk * chunk_elements, chunk_elements);
#pragma unroll
    for (int m = 0; m < Padded / 16; m++) {
      const int chunk = first_chunk + m * 2;
      copy_async(slab + row_chunk<Padded>(lane % slab_keys, chunk),
                 source + int64_t(m * 2 * chunk_elements) * params.block_size,
                 needs_key && chunk * chunk_elements < params.head_size);
    }
  }

  /// Each lane copies eight keys of one element d. Keys among the eight that are not needed are masked at their use.
  __device__ __forceinline__ void copy_vllm_values(uint32_t slab, const int (&blocks)[2], const KeyRange& needed,
                                                   int first_key) const {
    const int lane = threadIdx.x % warp_size;
    const int half = lane % 2;
    const int key = first_key + half * 8;
    const int block = half == 0 ? blocks[0] : blocks[1];
    const bool needs_keys = block >= 0 && key + 8 > needed.begin && key < needed.end;
    const int first_d = lane / 2;
    const T* source = values + vllm_value_offset(sizes(), block, key & (params.block_size - 1), kv_head(), first_d);
#pragma unroll
    for (int m = 0; m < Padded / 16; m++) {
      const int d = first_d + m * 16;
      copy_async(slab + column_chunk(d, half), source + int64_t(m * 16) * params.block_size,
                 needs_keys && d < params.head_size);
    }
  }
};

}  // namespace attention
