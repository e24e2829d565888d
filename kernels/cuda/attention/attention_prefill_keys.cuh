#pragma once
// How a block of attention_prefill.cuh divides its work and copies keys and values to shared memory: tile by tile, each
// while the block computes with the previous one. If there is room for three tiles, a warp may run ahead of others by
// one, so that one warp's products use the tensor cores while another computes exponentials.

#include <cstdint>

#include "attention/attention_prefill.h"
#include "attention/attention_rows.cuh"
#include "common/block_reduce.cuh"
#include "cache/cache_layout.cuh"
#include "common/ptx.cuh"
#include "common/shared_memory.cuh"

namespace attention {

/// The number of keys in a tile.
constexpr int key_tile_size(int head_size, TileSize size) {
  if (size == TileSize::small) return head_size == 64 ? 64 : 32;
  if (head_size == 64) return 128;
  return head_size == 256 && size == TileSize::medium ? 32 : 64;
}

/// Head sizes are padded to 64, 128 or 256. In larger tiles, each key that a warp reads from shared memory serves 32
/// rows, except for the largest heads, whose outputs would not fit in registers.
template <int HeadSize, TileSize Size>
struct PrefillTile {
  static constexpr bool is_small = Size == TileSize::small;
  static constexpr int head_size = HeadSize;
  static constexpr int chunks = HeadSize / 8;  // of 16 bytes, per row
  static constexpr int warps = is_small ? 4 : 8;
  static constexpr int threads = warps * warp_size;
  static constexpr int row_blocks = !is_small && HeadSize <= 128 ? 2 : 1;  // of 16 rows, per warp
  static constexpr int warp_rows = 16 * row_blocks;
  static constexpr int rows = warps * warp_rows;
  // Registers hold the outputs, the scores of a step, and the queries if there is room. Steps of many keys take
  // precedence, because the fixed cost of a step is high; so does a second set of fragments.
  static constexpr bool shared_queries = HeadSize == 128 && Size == TileSize::large;
  static constexpr int stages = is_small ? 2 : 3;  // tiles of keys in shared memory
  static constexpr int keys = key_tile_size(HeadSize, Size);
  static constexpr int step_keys = keys == 128 || (HeadSize == 128 && Size == TileSize::medium) ? keys / 2 : keys;
  static constexpr int min_blocks = is_small ? 2 : 1;  // per multiprocessor
};

/// The keys that any row of a warp keeps, and those that every row keeps.
struct WarpKeys {
  KeyRange some;
  KeyRange every;
};

constexpr int block_slots = 4;  // of tiles: the one before the first warp's, its own, and two not yet copied

/// The block's shared memory. Aligned so that no row of chunks crosses a multiple of its size, which other_chunk relies
/// on.
template <typename Tile>
struct alignas(512) PrefillMemory {
  // Rows of 16-byte chunks. In layout vllm, the rows of values are elements of the head, with keys along them.
  uint4 keys[Tile::stages][Tile::keys * Tile::chunks];
  uint4 values[Tile::stages][Tile::keys * Tile::chunks];
  uint4 queries[Tile::shared_queries ? Tile::rows * Tile::chunks : 1];
  const void* blocks[block_slots][Tile::keys / 8];  // start of a tile's keys in each cache block
  unsigned bad_blocks[block_slots];                 // bit i: block table entry i is out of range
  bool whole[block_slots];                          // whether the tile needs no zeros
  uint64_t arrivals[Tile::stages];                  // of tiles of keys and values
  WarpKeys warp_keys[Tile::warps];
  int tokens[Tile::rows];    // row's token within the sequence
  float slopes[Tile::rows];  // ALiBi, base 2
};

/// The swizzled position of a chunk in its row, such that the same chunk of 8 rows, and 8 chunks of one row, lie in
/// different banks.
template <int RowChunks>
__device__ __forceinline__ int swizzle(int row, int chunk) {
  if constexpr (RowChunks >= 8) {
    return chunk ^ (row & 7);
  } else {
    return chunk ^ (row / (8 / RowChunks) & (RowChunks - 1));
  }
}

/// The shared address of the chunk that is `rows` rows below and whose number differs in `bits`.
template <int RowChunks>
__device__ __forceinline__ uint32_t other_chunk(uint32_t chunk, int rows, int bits) {
  return (chunk ^ uint32_t(bits * sizeof(uint4))) + uint32_t(rows * RowChunks * sizeof(uint4));
}

/// The keys and values of one head for one block. Contiguous keys count as one cache block per tile. `Vllm`: they lie
/// in a cache of layout vllm.
template <typename T, typename Tile, bool Vllm>
struct PrefillKeys {
  const AttentionParams& params;
  PrefillMemory<Tile>& memory;
  KeyRange range;  // kept by any row of the tile
  int sequence;
  int kv_head;
  int first_key;    // of the sequence, if keys are contiguous
  int block_shift;  // log2(keys per cache block)

  static constexpr int not_needed = -2;
  static constexpr int bad_block = -1;

  __device__ PrefillKeys(const AttentionParams& params, PrefillMemory<Tile>& memory, int sequence, int kv_head,
                         KeyRange range)
      : params(params), memory(memory), range(range), sequence(sequence), kv_head(kv_head) {
    const bool paged = params.block_tables != nullptr;
    first_key = paged || sequence >= params.sequences ? 0 : min(max(params.cu_seqlens_k[sequence], 0), params.keys);
    block_shift = __ffs(paged ? params.block_size : Tile::keys) - 1;
  }

  /// In the first warp, returns the block that this lane looks up for the tile at `key`; 0 if keys are contiguous.
  __device__ __forceinline__ int look_up(int key) const {
    const int column = (key >> block_shift) + threadIdx.x;
    const int64_t start = int64_t(column) << block_shift;
    const bool is_needed = int(threadIdx.x) < max(1, Tile::keys >> block_shift) && start < range.end &&
                           start + (1 << block_shift) > range.begin;
    if (!is_needed) return not_needed;
    return params.block_tables ? cache_block(params, sequence, column) : 0;
  }

  /// Publishes the first warp's look-ups for the tile at `key` to the block, which sees them after a barrier.
  __device__ __forceinline__ void publish(int key, int block) const {
    const int slot = slot_of(key);
    const unsigned bad_blocks = __ballot_sync(all_lanes, block == bad_block);
    if (threadIdx.x == 0) {
      memory.bad_blocks[slot] = bad_blocks;
      memory.whole[slot] = key >= range.begin && key + Tile::keys <= range.end && bad_blocks == 0 &&
                           params.head_size == Tile::head_size;
    }
    if (threadIdx.x >= Tile::keys / 8) return;
    const CacheSizes sizes = {params.num_blocks, params.block_size, params.kv_heads, params.head_size};
    int64_t start = 0;
    if (!params.block_tables) {
      start = (int64_t(first_key + key) * params.kv_heads + kv_head) * params.head_size;
    } else if (block >= 0) {
      start = Vllm ? vllm_value_offset(sizes, block, 0, kv_head, 0)  // the same offset for keys
                   : flash_offset(sizes, block, key & ((1 << block_shift) - 1), kv_head);
    }
    memory.blocks[slot][threadIdx.x] = static_cast<const T*>(params.key.data) + start;
  }

  /// Whether the block table entry of a key is out of range.
  __device__ __forceinline__ bool is_bad(int key) const {
    return memory.bad_blocks[slot_of(key)] >> (unsigned(key) % Tile::keys >> block_shift) & 1;
  }

  /// Whether any block table entry of the key's tile is out of range.
  __device__ __forceinline__ bool any_bad_block(int key) const { return memory.bad_blocks[slot_of(key)] != 0; }

  /// Starts the copies of the tile at `key`. Keys outside `range` become zeros, because 0 * NaN is NaN.
  __device__ __forceinline__ void copy(int key, int stage) const {
    if constexpr (Vllm) copy_vllm_keys(key, stage);
    if (memory.whole[slot_of(key)]) {
      Vllm ? copy_vllm_values<true>(key, stage) : copy_rows<true>(key, stage);
    } else {
      Vllm ? copy_vllm_values<false>(key, stage) : copy_rows<false>(key, stage);
    }
  }

 private:
  __device__ __forceinline__ static int slot_of(int key) { return unsigned(key) / Tile::keys % block_slots; }

  __device__ __forceinline__ bool is_kept(int key) const {
    return key >= range.begin && key < range.end && !is_bad(key);
  }

  /// The start of the keys in the cache block that holds key `index` of the tile in `slot`.
  __device__ __forceinline__ const T* block_keys(int slot, int index) const {
    return static_cast<const T*>(memory.blocks[slot][index >> block_shift]);
  }

  /// The address in the values that corresponds to `key` in the keys.
  __device__ __forceinline__ const T* value_of(const T* key) const {
    const intptr_t distance =
        reinterpret_cast<intptr_t>(params.value.data) - reinterpret_cast<intptr_t>(params.key.data);
    return reinterpret_cast<const T*>(reinterpret_cast<intptr_t>(key) + distance);
  }

  /// `Whole`: the tile needs no zeros.
  template <bool Whole>
  __device__ __forceinline__ void copy_rows(int key, int stage) const {
    constexpr int rows_per_pass = Tile::threads / Tile::chunks;
    static_assert(Tile::threads % Tile::chunks == 0 && Tile::keys % rows_per_pass == 0);
    const int slot = slot_of(key);
    const int row_stride = params.kv_heads * params.head_size;
    const int block_mask = (1 << block_shift) - 1;
    const int chunk = threadIdx.x % Tile::chunks;
    constexpr int passes = Tile::keys / rows_per_pass;
    const T* from[passes];  // computed before the first copy
#pragma unroll
    for (int pass = 0; pass < passes; pass++) {
      const int row = pass * rows_per_pass + threadIdx.x / Tile::chunks;
      from[pass] = block_keys(slot, row) + ((row & block_mask) * row_stride + chunk * 8);
    }
#pragma unroll
    for (int pass = 0; pass < passes; pass++) {
      const int row = pass * rows_per_pass + threadIdx.x / Tile::chunks;
      const bool valid = Whole || (is_kept(key + row) && chunk * 8 < params.head_size);
      const int to = row * Tile::chunks + swizzle<Tile::chunks>(row, chunk);
      copy_async(&memory.keys[stage][to], from[pass], valid);
      copy_async(&memory.values[stage][to], value_of(from[pass]), valid);
    }
  }

  /// For each chunk, the keys of a block are contiguous. A thread copies chunks of one key.
  __device__ __forceinline__ void copy_vllm_keys(int key, int stage) const {
    static_assert(Tile::threads % Tile::keys == 0 && Tile::keys * Tile::chunks % Tile::threads == 0);
    const int row = threadIdx.x % Tile::keys;
    const bool kept = is_kept(key + row);
    const T* from = block_keys(slot_of(key), row) + ((key + row) & ((1 << block_shift) - 1)) * 8;
#pragma unroll
    for (int pass = 0; pass < Tile::keys * Tile::chunks / Tile::threads; pass++) {
      const int chunk = threadIdx.x / Tile::keys + pass * (Tile::threads / Tile::keys);
      const bool valid = kept && chunk * 8 < params.head_size;
      copy_async(&memory.keys[stage][row * Tile::chunks + swizzle<Tile::chunks>(row, chunk)],
                 from + (chunk << (block_shift + 3)), valid);
    }
  }

  /// For each element of the head, 8 keys are contiguous. At the ends of the range, elements are masked individually.
  template <bool Whole>
  __device__ __forceinline__ void copy_vllm_values(int key, int stage) const {
    constexpr int row_chunks = Tile::keys / 8;
    constexpr int row_shift = row_chunks == 16 ? 4 : row_chunks == 8 ? 3 : 2;
    static_assert(row_chunks == 1 << row_shift);
    const int slot = slot_of(key);
    const int block_mask = (1 << block_shift) - 1;
    const int chunks_shift = min(block_shift - 3, row_shift);  // log2(chunks of a row in one cache block)
    // Adjacent threads read adjacent chunks, while 8 of them write to different banks.
    const int low_chunk = threadIdx.x & ((1 << chunks_shift) - 1);
    const int thread = threadIdx.x >> chunks_shift;
    const int first = (thread & ~7) + (((thread & 7) * 9 << min(chunks_shift, 3) >> 3) & 7);
#pragma unroll Whole ? Tile::keys * Tile::chunks / Tile::threads : 1
    for (int pass = 0; pass < Tile::keys * Tile::chunks / Tile::threads; pass++) {
      const int place = first + pass * (Tile::threads >> chunks_shift);
      const int d = place % Tile::head_size;
      const int chunk = (place / Tile::head_size << chunks_shift) + low_chunk;
      const int first_key = key + chunk * 8;
      const T* from = value_of(block_keys(slot, chunk * 8) + ((d << block_shift) + (first_key & block_mask)));
      uint4* to = &memory.values[stage][d * row_chunks + swizzle<row_chunks>(d, chunk)];
      const bool valid = Whole || (!is_bad(first_key) && first_key + 8 > range.begin && first_key < range.end &&
                                   d < params.head_size);
      if (Whole || !valid || (first_key >= range.begin && first_key + 8 <= range.end)) {
        copy_async(to, from, valid);
        continue;
      }
      const uint4 eight = *reinterpret_cast<const uint4*>(from);
      *to = {kept_pair(eight.x, first_key), kept_pair(eight.y, first_key + 2), kept_pair(eight.z, first_key + 4),
             kept_pair(eight.w, first_key + 6)};
    }
  }

  /// Two elements, zeroed if their keys are out of range.
  __device__ __forceinline__ uint32_t kept_pair(uint32_t pair, int key) const {
    if (key < range.begin || key >= range.end) pair &= 0xffff0000u;
    if (key + 1 < range.begin || key + 1 >= range.end) pair &= 0x0000ffffu;
    return pair;
  }
};

}  // namespace attention
