#pragma once
// How a block of attention_prefill_hopper.cuh divides its work, and what its warps share.
//
// A block stays on its multiprocessor and takes one piece of work after another: a tile of query rows of one KV head.
// Its first warpgroup loads, the others compute, 64 rows each. All they tell each other goes through barriers in shared
// memory, so that keys arrive, are multiplied and become probabilities at the same time.

#include "attention/attention_rows.cuh"
#include "common/block_reduce.cuh"
#include "common/wgmma.cuh"

namespace attention {

/// Tiles for heads of at most HeadSize elements: 64, 96, 128, 192 or 256. Per computing thread, registers hold the
/// outputs (HeadSize / 2), scores of a tile of keys (keys / 2) and probabilities of the one before (keys / 4).
template <int HeadSize>
struct HopperTile {
  static constexpr int head_size = HeadSize;
  static constexpr int part = 64;  // elements of a row of shared memory: 128 bytes
  static constexpr int parts = (HeadSize + part - 1) / part;
  static constexpr int consumers = HeadSize == 64 ? 3 : 2;  // warpgroups that compute
  static constexpr int rows = 64 * consumers;
  static constexpr int keys = HeadSize <= 128 ? 128 : HeadSize == 192 ? 96 : 80;
  static constexpr int most_box_keys = keys % 32 == 0 ? 32 : 16;
  static constexpr int stages = 2;  // tiles of keys in shared memory, and of values
  static constexpr int query_stages = HeadSize <= 128 ? 2 : 1;  // tiles of queries; two where there is room
  static constexpr int threads = warpgroup_size * (1 + consumers);
  static constexpr int loader_registers = consumers == 3 ? 32 : 40;
  static constexpr int consumer_registers = consumers == 3 ? 160 : 232;
};

/// One piece of work. None: there is no more.
struct HopperWork {
  RowTile tile;  // with no rows: none
  int kv_head;
  int context;     // keys of the sequence
  int first_key;   // contiguous: of the sequence
  KeyRange range;  // keys that some row keeps

  __device__ int tiles_of(int keys) const {
    return range.end > range.begin ? (range.end - 1) / keys - range.begin / keys + 1 : 0;
  }
};

constexpr int work_slots = 2;
constexpr int query_warps = 2;  // of the first warpgroup; of its others one loads keys, one values

/// At a multiple of 1,024 bytes, as are all tiles in it.
template <typename Tile>
struct HopperMemory {
  uint16_t queries[Tile::query_stages][Tile::parts][Tile::rows][Tile::part];
  uint16_t keys[Tile::stages][Tile::keys * Tile::parts * Tile::part];  // see KeyLayout
  uint16_t values[Tile::stages][Tile::keys * Tile::parts * Tile::part];
  HopperWork work[work_slots];
  unsigned bad_boxes[Tile::stages];  // of keys: a bit for each that lies in a block that is out of range
  // Of each pair one says that there is something, the other that it is not needed any more.
  uint64_t work_full[work_slots];
  uint64_t work_empty[work_slots];
  uint64_t queries_full[Tile::query_stages];
  uint64_t queries_empty[Tile::query_stages];
  uint64_t keys_full[Tile::stages];
  uint64_t keys_empty[Tile::stages];
  uint64_t values_full[Tile::stages];
  uint64_t values_empty[Tile::stages];
  uint64_t edge_full;  // values that are not complete before some of them were overwritten by zeros

  __device__ void init_barriers() {
    constexpr int consumer_warps = 4 * Tile::consumers;
    for (int i = 0; i < work_slots; i++) {
      init_barrier(work_full[i], 1);
      init_barrier(work_empty[i], 1 + query_warps + consumer_warps);
    }
    for (int i = 0; i < Tile::query_stages; i++) {
      init_barrier(queries_full[i], query_warps);
      init_barrier(queries_empty[i], consumer_warps);
    }
    for (int i = 0; i < Tile::stages; i++) {
      init_barrier(keys_full[i], 1);
      init_barrier(keys_empty[i], consumer_warps);
      init_barrier(values_full[i], 1);
      init_barrier(values_empty[i], consumer_warps);
    }
    init_barrier(edge_full, 1);
    publish_barriers();
  }
};

/// A place in a ring of buffers. Who fills waits for `empty` with `parity ^ 1`, as all are empty at first; who reads
/// waits for `full` with `parity`.
template <int Size>
struct Ring {
  int index = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    index = index + 1 < Size ? index + 1 : 0;
    if (index == 0) parity ^= 1;
  }
};

/// How a tile of keys or values lies in shared memory: in groups of 8 keys, 64 elements of each. If a box brings whole
/// keys of a block of the cache, the groups of the same keys follow each other. A box brings one part (64 elements) of
/// keys if the head size is no multiple of 64, because only the end of the innermost dimension is filled up with zeros,
/// or if keys are contiguous, because then a box may begin at any key; the tile's groups of one part follow each other.
struct KeyLayout {
  int box_keys;
  bool whole_keys;
  int next_keys;  // bytes from a group to that of the next 8 keys
  int next_part;  // to that of the next 64 elements

  /// The row of the tile that has a 16-byte chunk of shared memory.
  template <typename Tile>
  __device__ __forceinline__ int key_of(int chunk) const {
    return whole_keys ? chunk / (64 * Tile::parts) * 8 + chunk / 8 % 8 : chunk / 8 % Tile::keys;
  }
};

/// What all blocks divide: `tiles` as count_tiles has it, by KV heads.
struct HopperGrid {
  int tiles;
  bool all;           // also sequences that attend_decode computes
  KeyLayout layout;
  bool boxed_queries;  // whether a box has a tile's queries, or one part of them
  unsigned* counter;  // zero before and after
};

__device__ __forceinline__ HopperWork find_work(const AttentionParams& params, const HopperGrid& grid, int index,
                                                int rows_per_tile) {
  HopperWork work;
  const int group = params.heads / params.kv_heads;
  work.kv_head = index % params.kv_heads;
  // The last tiles of a sequence have the most keys: they go first.
  work.tile = find_tile(params, grid.tiles - 1 - index / params.kv_heads, group, rows_per_tile);
  const RowTile& tile = work.tile;
  if (!grid.all && tile.sequence < params.sequences && tile.query_length <= decode_query_length(group)) {
    work.tile.num_rows = 0;
  }
  work.context = context_length(params, tile.sequence);
  work.first_key = params.block_tables || tile.sequence >= params.sequences
                       ? 0
                       : min(max(params.cu_seqlens_k[tile.sequence], 0), params.keys);
  const int first_position = work.context - tile.query_length;
  const int capacity = key_capacity(params);
  const auto kept = [&](int row) {
    return kept_keys(params, first_position + (tile.first_row + row) / group, work.context, capacity);
  };
  work.range = {kept(0).begin, kept(max(tile.num_rows, 1) - 1).end};
  return work;
}

/// The next piece of work, for a warp that reads it. `slot` moves on.
template <typename Tile>
__device__ __forceinline__ HopperWork receive_work(HopperMemory<Tile>& memory, Ring<work_slots>& slot) {
  wait_for_phase(memory.work_full[slot.index], slot.parity);
  const HopperWork work = memory.work[slot.index];
  __syncwarp();
  if (threadIdx.x % warp_size == 0) arrive(memory.work_empty[slot.index]);
  slot.advance();
  return work;
}

}  // namespace attention
