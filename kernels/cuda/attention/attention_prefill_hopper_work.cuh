#pragma once
// How a block of attention_prefill_hopper.cuh divides its work, and what its warps share.
//
// Blocks are persistent: each occupies one multiprocessor and takes one piece of work after another, a tile of query
// rows of one KV head. Warps are specialized: the first warpgroup loads, the others compute, 64 rows each. They
// communicate only through mbarriers in shared memory, so that loads, products and softmax overlap.

#include "attention/attention_rows.cuh"
#include "common/block_reduce.cuh"
#include "common/wgmma.cuh"

namespace attention {

/// Tiles for heads of at most HeadSize elements: 64, 96, 128, 192 or 256. Each computing thread's registers hold
/// outputs (HeadSize / 2), scores of a tile of keys (keys / 2) and probabilities of the previous tile (keys / 4).
template <int HeadSize>
struct HopperTile {
  static constexpr int head_size = HeadSize;
  static constexpr int part = 64;  // elements of a row of shared memory: 128 bytes
  static constexpr int parts = (HeadSize + part - 1) / part;
  static constexpr int consumers = HeadSize == 64 ? 3 : 2;  // warpgroups that compute
  static constexpr int rows = 64 * consumers;
  static constexpr int keys = HeadSize <= 128 ? 128 : HeadSize == 192 ? 96 : 80;
  static constexpr int max_box_keys = keys % 32 == 0 ? 32 : 16;
  static constexpr int stages = 2;  // tiles of keys in shared memory, and of values
  static constexpr int query_stages = HeadSize <= 128 ? 2 : 1;  // tiles of queries; two if there is room
  static constexpr int threads = warpgroup_size * (1 + consumers);
  static constexpr int loader_registers = consumers == 3 ? 32 : 40;
  static constexpr int consumer_registers = consumers == 3 ? 160 : 232;
};

/// One piece of work.
struct HopperWork {
  RowTile tile;  // without rows: end of the work
  int kv_head;
  int context;     // keys of the sequence
  int first_key;   // of the sequence, if keys are contiguous
  KeyRange range;  // kept by any row

  __device__ int tiles_of(int keys) const {
    return range.end > range.begin ? (range.end - 1) / keys - range.begin / keys + 1 : 0;
  }
};

constexpr int work_slots = 2;
constexpr int query_warps = 2;  // the first warpgroup also has one warp that loads keys, and one for values

/// The block's shared memory. Aligned to 1,024 bytes, as are all tiles in it.
template <typename Tile>
struct HopperMemory {
  uint16_t queries[Tile::query_stages][Tile::parts][Tile::rows][Tile::part];
  uint16_t keys[Tile::stages][Tile::keys * Tile::parts * Tile::part];  // see KeyLayout
  uint16_t values[Tile::stages][Tile::keys * Tile::parts * Tile::part];
  HopperWork work[work_slots];
  unsigned bad_boxes[Tile::stages];  // bit b: the block table entry of box b of the keys is out of range
  // Of each pair of barriers, one signals that a buffer has been filled, the other that it may be reused.
  uint64_t work_full[work_slots];
  uint64_t work_empty[work_slots];
  uint64_t queries_full[Tile::query_stages];
  uint64_t queries_empty[Tile::query_stages];
  uint64_t keys_full[Tile::stages];
  uint64_t keys_empty[Tile::stages];
  uint64_t values_full[Tile::stages];
  uint64_t values_empty[Tile::stages];
  uint64_t edge_full;  // copied values some of whose rows must be zeroed before they are full

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

/// A position in a ring of buffers. The producer waits for `empty` with `parity ^ 1`, since all buffers are empty at
/// first; the consumer waits for `full` with `parity`.
template <int Size>
struct Ring {
  int index = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    index = index + 1 < Size ? index + 1 : 0;
    if (index == 0) parity ^= 1;
  }
};

/// The layout of a tile of keys or values in shared memory: groups of 8 keys by 64 elements (a part of the head). If a
/// box loads whole keys of a cache block, the parts of the same keys are adjacent. A box loads only one part of keys if
/// the head size is not a multiple of 64, because only the innermost dimension is padded with zeros, or if keys are
/// contiguous, because then a box may start at any key; the groups of one part are then adjacent.
struct KeyLayout {
  int box_keys;
  bool whole_keys;
  int next_keys;  // bytes to the group of the next 8 keys
  int next_part;  // bytes to the group of the next 64 elements

  /// The key within the tile of a 16-byte chunk of shared memory.
  template <typename Tile>
  __device__ __forceinline__ int key_of(int chunk) const {
    return whole_keys ? chunk / (64 * Tile::parts) * 8 + chunk / 8 % 8 : chunk / 8 % Tile::keys;
  }
};

/// The work of the whole grid: `tiles`, from count_tiles(), times KV heads.
struct HopperGrid {
  int tiles;
  bool include_decodes;           // also compute the sequences of attend_decode
  KeyLayout layout;
  bool boxed_queries;  // whether the copy engine loads queries
  unsigned* counter;  // of work taken; zero before and after the launch
};

__device__ __forceinline__ HopperWork find_work(const AttentionParams& params, const HopperGrid& grid, int index,
                                                int rows_per_tile) {
  HopperWork work;
  const int group = params.heads / params.kv_heads;
  work.kv_head = index % params.kv_heads;
  // The last tiles of a causal sequence have the most keys, so they start first.
  work.tile = find_tile(params, grid.tiles - 1 - index / params.kv_heads, group, rows_per_tile);
  const RowTile& tile = work.tile;
  if (!grid.include_decodes && tile.sequence < params.sequences && tile.query_length <= decode_query_length(group)) {
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

/// Receives the next piece of work in a warp, and advances `slot`.
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
