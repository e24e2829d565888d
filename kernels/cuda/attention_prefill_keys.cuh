#pragma once
// How a block of attention_prefill.cuh divides its work, and how it copies keys and values to shared memory: tile by
// tile, the next one while the block computes with the one before.

#include <cstdint>

#include "attention_rows.cuh"
#include "block_reduce.cuh"
#include "cache_layout.cuh"
#include "ptx.cuh"
#include "shared_memory.cuh"

namespace attention {

/// Head sizes are padded to 64, 128 or 256. Where there are rows enough the tile is large: each key that a warp reads
/// from shared memory then serves 32 rows, but for the largest heads, whose output would not fit in registers.
template <int HeadSize, bool Large>
struct PrefillTile {
  static constexpr int head_size = HeadSize;
  static constexpr int chunks = HeadSize / 8;  // of 16 bytes, of a row
  static constexpr int warps = Large ? 8 : 4;
  static constexpr int threads = warps * warp_size;
  static constexpr int row_blocks = Large && HeadSize <= 128 ? 2 : 1;  // of 16 rows, of a warp
  static constexpr int warp_rows = 16 * row_blocks;
  static constexpr int rows = warps * warp_rows;
  static constexpr int keys = HeadSize == 256 && !Large ? 32 : 64;   // in shared memory, twice
  static constexpr int step_keys = HeadSize == 128 && Large ? 32 : keys;  // whose scores are in registers
  static constexpr int min_blocks = Large ? 1 : 2;  // of a multiprocessor
};

/// Keys that some row of a warp keeps, and those that every row keeps.
struct WarpKeys {
  KeyRange some;
  KeyRange every;
};

constexpr int block_slots = 4;  // a tile's blocks are there from two tiles before it until its end

template <typename Tile>
struct PrefillMemory {
  // Rows of 16-byte chunks. Layout vllm: of values, rows are elements of the head, and keys lie along them.
  uint4 keys[2][Tile::keys * Tile::chunks];
  uint4 values[2][Tile::keys * Tile::chunks];
  int64_t blocks[block_slots][Tile::keys / 8];  // where a tile's blocks of the cache begin, in elements; -1: unreadable
  int any_bad_block[block_slots];
  WarpKeys warp_keys[Tile::warps];
  int tokens[Tile::rows];    // of the sequence
  float slopes[Tile::rows];  // ALiBi, base 2
};

/// A chunk's place in its row, such that 8 rows' chunks of one number, or 8 chunks of one row, lie in different banks.
template <int RowChunks>
__device__ __forceinline__ int swizzle(int row, int chunk) {
  if constexpr (RowChunks >= 8) {
    return chunk ^ (row & 7);
  } else {
    return chunk ^ (row / (8 / RowChunks) & (RowChunks - 1));
  }
}

/// The keys and values of one head that a block of threads reads. Contiguous keys are one cache block per tile.
/// `AnyLayout`: layout vllm as well.
template <typename T, typename Tile, bool AnyLayout>
struct PrefillKeys {
  const AttentionParams& params;
  PrefillMemory<Tile>& memory;
  KeyRange range;  // that the tile of rows keeps
  int sequence;
  int kv_head;
  int first_key;    // contiguous: of the sequence
  int block_shift;  // log2 of a block's keys

  static constexpr int not_needed = -2;
  static constexpr int bad_block = -1;

  __device__ PrefillKeys(const AttentionParams& params, PrefillMemory<Tile>& memory, int sequence, int kv_head,
                         KeyRange range)
      : params(params), memory(memory), range(range), sequence(sequence), kv_head(kv_head) {
    const bool paged = params.block_tables != nullptr;
    first_key = paged || sequence >= params.sequences ? 0 : min(max(params.cu_seqlens_k[sequence], 0), params.keys);
    block_shift = __ffs(paged ? params.block_size : Tile::keys) - 1;
  }

  __device__ __forceinline__ bool is_vllm() const { return AnyLayout && params.vllm_layout && params.block_tables; }

  /// The block that a lane of the first warp looks up for the tile at `key`; 0 where keys are contiguous.
  __device__ __forceinline__ int look_up(int key) const {
    const int column = (key >> block_shift) + threadIdx.x;
    const int64_t start = int64_t(column) << block_shift;
    const bool is_needed = int(threadIdx.x) < max(1, Tile::keys >> block_shift) && start < range.end &&
                           start + (1 << block_shift) > range.begin;
    if (!is_needed) return not_needed;
    return params.block_tables ? cache_block(params, sequence, column) : 0;
  }

  /// Hands what the first warp looked up for the tile at `key` to all, after a barrier.
  __device__ __forceinline__ void publish(int key, int block, int slot) const {
    const bool any_bad = __any_sync(all_lanes, block == bad_block);
    if (threadIdx.x == 0) memory.any_bad_block[slot] = any_bad;
    if (threadIdx.x >= Tile::keys / 8) return;
    const CacheSizes sizes = {params.num_blocks, params.block_size, params.kv_heads, params.head_size};
    int64_t start;
    if (!params.block_tables) {
      start = (int64_t(first_key + key) * params.kv_heads + kv_head) * params.head_size;
    } else if (is_vllm()) {
      start = vllm_value_offset(sizes, block, 0, kv_head, 0);  // as it is for keys
    } else {
      start = flash_offset(sizes, block, 0, kv_head);
    }
    memory.blocks[slot][threadIdx.x] = block < 0 ? -1 : start;
  }

  /// Whether the block of the cache that holds the tile's key number `index` is out of range.
  __device__ __forceinline__ bool is_bad(int index, int slot) const {
    return memory.blocks[slot][index >> block_shift] < 0;
  }

  /// Starts to copy the tile at `key`. Keys out of `range` become zeros, as 0 * NaN is NaN.
  __device__ __forceinline__ void copy(int key, int stage, int slot) const {
    if (is_vllm()) {
      copy_vllm_keys(key, stage, slot);
      copy_vllm_values(key, stage, slot);
      return;
    }
    const T* keys = static_cast<const T*>(params.key.data);
    const T* values = static_cast<const T*>(params.value.data);
    const int64_t row_stride = int64_t(params.kv_heads) * params.head_size;
    const int block_mask = (1 << block_shift) - 1;
    constexpr int rows_per_pass = Tile::threads / Tile::chunks;
    static_assert(Tile::threads % Tile::chunks == 0 && Tile::keys % rows_per_pass == 0);
    const int chunk = threadIdx.x % Tile::chunks;
#pragma unroll
    for (int pass = 0; pass < Tile::keys / rows_per_pass; pass++) {
      const int row = pass * rows_per_pass + threadIdx.x / Tile::chunks;
      const int64_t block = memory.blocks[slot][row >> block_shift];
      const bool valid =
          block >= 0 && key + row >= range.begin && key + row < range.end && chunk * 8 < params.head_size;
      const int64_t from = valid ? block + ((key + row) & block_mask) * row_stride + chunk * 8 : 0;
      const int to = row * Tile::chunks + swizzle<Tile::chunks>(row, chunk);
      copy_async(&memory.keys[stage][to], keys + from, valid);
      copy_async(&memory.values[stage][to], values + from, valid);
    }
  }

 private:
  /// Chunk c of the keys of a block lie together.
  __device__ __forceinline__ void copy_vllm_keys(int key, int stage, int slot) const {
    const T* keys = static_cast<const T*>(params.key.data);
    const int block_keys = 1 << block_shift;
#pragma unroll 4
    for (int i = threadIdx.x; i < Tile::keys * Tile::chunks; i += Tile::threads) {
      const int row = i % Tile::keys;
      const int chunk = i / Tile::keys;
      const int64_t block = memory.blocks[slot][row >> block_shift];
      const bool valid =
          block >= 0 && key + row >= range.begin && key + row < range.end && chunk * 8 < params.head_size;
      const int64_t from = valid ? block + (chunk * block_keys + ((key + row) & (block_keys - 1))) * 8 : 0;
      copy_async(&memory.keys[stage][row * Tile::chunks + swizzle<Tile::chunks>(row, chunk)], keys + from, valid);
    }
  }

  /// 8 keys of an element of the head lie together. At the ends of the range they are taken one by one.
  __device__ __forceinline__ void copy_vllm_values(int key, int stage, int slot) const {
    const T* values = static_cast<const T*>(params.value.data);
    constexpr int row_chunks = Tile::keys / 8;
    const int block_keys = 1 << block_shift;
    const int chunks_shift = min(block_shift - 3, row_chunks == 8 ? 3 : 2);  // chunks of a row in one block
    static_assert(row_chunks == 8 || row_chunks == 4);
#pragma unroll 4
    for (int i = threadIdx.x; i < Tile::keys * Tile::chunks; i += Tile::threads) {
      // Threads next to each other read what lies next to each other.
      const int d = (i >> chunks_shift) % Tile::head_size;
      const int chunk = ((i >> chunks_shift) / Tile::head_size << chunks_shift) + (i & ((1 << chunks_shift) - 1));
      const int row = chunk * 8;
      const int first = key + row;
      const int64_t block = memory.blocks[slot][row >> block_shift];
      const bool valid = block >= 0 && first + 8 > range.begin && first < range.end && d < params.head_size;
      const int64_t from = valid ? block + int64_t(d) * block_keys + (first & (block_keys - 1)) : 0;
      uint4* to = &memory.values[stage][d * row_chunks + swizzle<row_chunks>(d, chunk)];
      if (!valid || (first >= range.begin && first + 8 <= range.end)) {
        copy_async(to, values + from, valid);
        continue;
      }
      const uint4 eight = *reinterpret_cast<const uint4*>(values + from);
      *to = {kept_pair(eight.x, first), kept_pair(eight.y, first + 2), kept_pair(eight.z, first + 4),
             kept_pair(eight.w, first + 6)};
    }
  }

  /// Two elements, zeros instead of those of keys out of range.
  __device__ __forceinline__ uint32_t kept_pair(uint32_t pair, int key) const {
    if (key < range.begin || key >= range.end) pair &= 0xffff0000u;
    if (key + 1 < range.begin || key + 1 >= range.end) pair &= 0x0000ffffu;
    return pair;
  }
};

}  // namespace attention
