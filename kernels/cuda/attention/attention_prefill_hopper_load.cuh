#pragma once
// The loading warps of attention_prefill_hopper.cuh. One has the copy engine load keys, one values, in boxes as
// described by KeyLayout; two load queries. Products wait least if copies start as early as possible, so each warp only
// waits for a free stage, and looks up its block table entries one tile ahead.

#include "attention/attention_prefill_hopper_work.cuh"

namespace attention {

/// A row outside the tensor map, whose boxes become zeros.
constexpr int no_row = -2048;

/// Locates the keys (and values) of one piece of work, tile by tile.
template <typename Tile>
struct HopperKeys {
  const AttentionParams& params;
  const HopperWork& work;
  const KeyLayout& layout;

  static constexpr int bad_row = no_row - 1;  // also outside: the block table entry is out of range

  /// Looks up the boxes of the tile at `key`: lane b returns the map's row of box b. Boxes that no query row keeps
  /// become zeros, and so do those with a bad block table entry.
  __device__ __forceinline__ int look_up(int key) const {
    const int lane = threadIdx.x % warp_size;
    const int start = key + lane * layout.box_keys;
    const bool is_needed =
        lane * layout.box_keys < Tile::keys && start < work.range.end && start + layout.box_keys > work.range.begin;
    if (!is_needed) return no_row;
    if (!params.block_tables) return work.first_key + start;
    const int block_shift = __ffs(params.block_size) - 1;
    const int block = cache_block(params, work.tile.sequence, start >> block_shift);
    return block < 0 ? bad_row : (block << block_shift) + (start & ((1 << block_shift) - 1));
  }

  __device__ __forceinline__ int tiles() const { return work.tiles_of(Tile::keys); }
  __device__ __forceinline__ int last_tile() const { return (work.range.end - 1) / Tile::keys * Tile::keys; }

  /// Whether a box of the tile has both keys that some row keeps and others.
  __device__ __forceinline__ bool has_edge(int key) const {
    const KeyRange& range = work.range;
    return (range.begin > key && range.begin % layout.box_keys != 0) ||
           (range.end < key + Tile::keys && range.end % layout.box_keys != 0);
  }
};

/// Starts the copies of a tile's boxes. `rows` holds the map's row of each box in the lanes, as HopperKeys::look_up
/// returns it.
template <typename Tile>
__device__ __forceinline__ void copy_boxes(uint16_t (&to)[Tile::keys * Tile::parts * Tile::part], const TensorMap& map,
                                           uint64_t& full, int rows, const KeyLayout& layout, int kv_head) {
  const bool elected = elect_lane();
  if (elected) arrive_expecting(full, sizeof to);
  unsigned char* place = reinterpret_cast<unsigned char*>(to);
  for (int box = 0; box < Tile::keys / layout.box_keys; box++, place += layout.box_keys / 8 * layout.next_keys) {
    const int row = __shfl_sync(all_lanes, rows, box);
    if (!elected) continue;
    if (layout.whole_keys) {
      copy_box(place, map, full, {0, 0, 0, row / 8, kv_head});
    } else {
#pragma unroll
      for (int part = 0; part < Tile::parts; part++) {
        copy_box(place + part * layout.next_part, map, full, {part * Tile::part, row, 0, 0, kv_head});
      }
    }
  }
}

/// Zeros the values of a tile in rows outside [begin, end), because 0 * NaN is NaN.
template <typename Tile>
__device__ __forceinline__ void clear_rows(uint16_t (&values)[Tile::keys * Tile::parts * Tile::part],
                                           const KeyLayout& layout, int begin, int end) {
  constexpr int count = Tile::keys * Tile::parts * Tile::part / 8;
  uint4* chunks = reinterpret_cast<uint4*>(&values);
  for (int i = threadIdx.x % warp_size; i < count; i += warp_size) {
    const int row = layout.key_of<Tile>(i);
    if (row < begin || row >= end) chunks[i] = {0, 0, 0, 0};
  }
  fence_async_proxy();
  __syncwarp();
}

/// The first loading warp: takes the block's work from the grid's counter, passes it to the other warps, and has its
/// keys copied.
template <typename Tile>
__device__ __forceinline__ void load_keys(const AttentionParams& params, HopperMemory<Tile>& memory,
                                          const TensorMap& map, const HopperGrid& grid) {
  const int lane = threadIdx.x % warp_size;
  const int total = grid.tiles * params.kv_heads;
  Ring<work_slots> slot;
  Ring<Tile::stages> stage;

  const auto publish = [&](const HopperWork& work) {
    wait_for_phase(memory.work_empty[slot.index], slot.parity ^ 1);
    if (lane == 0) {
      memory.work[slot.index] = work;
      arrive(memory.work_full[slot.index]);
    }
    slot.advance();
  };

  int index = blockIdx.x;
#pragma unroll 1
  while (index < total) {
    int taken = lane == 0 ? int(atomicAdd(grid.counter, 1u)) : 0;
    const HopperWork work = find_work(params, grid, index, Tile::rows);
    if (work.tile.num_rows > 0) {
      publish(work);
      const HopperKeys<Tile> keys = {params, work, grid.layout};
      int key = keys.last_tile();  // tiles are processed from last to first
      int rows = keys.look_up(key);
#pragma unroll 1
      for (int tiles = keys.tiles(); tiles > 0; tiles--, key -= Tile::keys) {
        const int next_rows = tiles > 1 ? keys.look_up(key - Tile::keys) : 0;
        const unsigned bad_boxes = __ballot_sync(all_lanes, rows == HopperKeys<Tile>::bad_row);
        wait_for_phase(memory.keys_empty[stage.index], stage.parity ^ 1);
        if (lane == 0) memory.bad_boxes[stage.index] = bad_boxes;
        __syncwarp();
        copy_boxes<Tile>(memory.keys[stage.index], map, memory.keys_full[stage.index], rows, grid.layout, work.kv_head);
        stage.advance();
        rows = next_rows;
      }
    }
    taken = __shfl_sync(all_lanes, taken, 0);
    if (taken == total - 1 && lane == 0) *grid.counter = 0;  // the last work was taken: reset for the next launch
    index = taken + int(gridDim.x);
  }
  publish(HopperWork{});
}

/// The second loading warp: has values copied.
template <typename Tile>
__device__ __forceinline__ void load_values(const AttentionParams& params, HopperMemory<Tile>& memory,
                                            const TensorMap& map, const HopperGrid& grid) {
  Ring<work_slots> slot;
  Ring<Tile::stages> stage;
  uint32_t edge_parity = 0;
#pragma unroll 1
  for (;;) {
    const HopperWork work = receive_work(memory, slot);
    if (work.tile.num_rows == 0) return;
    const HopperKeys<Tile> keys = {params, work, grid.layout};
    int key = keys.last_tile();
    int rows = keys.look_up(key);
#pragma unroll 1
    for (int tiles = keys.tiles(); tiles > 0; tiles--, key -= Tile::keys) {
      const int next_rows = tiles > 1 ? keys.look_up(key - Tile::keys) : 0;
      const bool has_edge = keys.has_edge(key);
      uint64_t& full = memory.values_full[stage.index];
      wait_for_phase(memory.values_empty[stage.index], stage.parity ^ 1);
      copy_boxes<Tile>(memory.values[stage.index], map, has_edge ? memory.edge_full : full, rows, grid.layout,
                       work.kv_head);
      if (has_edge) {
        wait_for_phase(memory.edge_full, edge_parity);
        edge_parity ^= 1;
        clear_rows<Tile>(memory.values[stage.index], grid.layout, work.range.begin - key, work.range.end - key);
        if (threadIdx.x % warp_size == 0) arrive(full);
      }
      stage.advance();
      rows = next_rows;
    }
  }
}

/// Copies a tile's queries in 16-byte chunks, divided among the threads.
template <typename T, typename Tile>
__device__ __forceinline__ void copy_queries(const AttentionParams& params, const HopperWork& work,
                                             uint16_t (&to)[Tile::parts][Tile::rows][Tile::part]) {
  constexpr int chunks = Tile::head_size / 8;
  constexpr int part_chunks = Tile::part / 8;
  const RowTile& tile = work.tile;
  const int group = params.heads / params.kv_heads;
#pragma unroll 4
  for (int i = threadIdx.x - 2 * warp_size; i < Tile::rows * chunks; i += query_warps * warp_size) {
    const int row = i / chunks;
    const int chunk = i % chunks;
    const bool valid = row < tile.num_rows && chunk * 8 < params.head_size;
    const int token = (tile.first_row + row) / group;
    const int head = work.kv_head * group + tile.first_row + row - token * group;
    const int64_t start =
        valid ? output_row(params, tile.first_token + token, head) * params.head_size + chunk * 8 : 0;
    copy_async(to[chunk / part_chunks][row] + (chunk % part_chunks ^ row % 8) * 8,
               static_cast<const T*>(params.query.data) + start, valid);
  }
  copy_async_commit();
  copy_async_wait<0>();
  fence_async_proxy();
  __syncwarp();
}

/// The other two loading warps: load the queries of the block's work. If the group's size divides a tile's rows, the
/// copy engine loads them in boxes of tokens by heads; otherwise the threads copy them.
template <typename T, typename Tile>
__device__ __forceinline__ void load_queries(const AttentionParams& params, HopperMemory<Tile>& memory,
                                             const TensorMap& map, const HopperGrid& grid) {
  const int group = params.heads / params.kv_heads;
  const bool is_first = threadIdx.x / warp_size == 2;
  Ring<work_slots> slot;
  Ring<Tile::query_stages> stage;
#pragma unroll 1
  for (;;) {
    const HopperWork work = receive_work(memory, slot);
    if (work.tile.num_rows == 0) return;
    if (work.tiles_of(Tile::keys) == 0) continue;
    auto& queries = memory.queries[stage.index];
    uint64_t& full = memory.queries_full[stage.index];
    wait_for_phase(memory.queries_empty[stage.index], stage.parity ^ 1);
    stage.advance();
    if (!grid.boxed_queries) copy_queries<T, Tile>(params, work, queries);
    if (!elect_lane()) continue;
    if (!grid.boxed_queries || !is_first) {
      arrive(full);
      continue;
    }
    arrive_expecting(full, sizeof queries);
    const int token = work.tile.first_token + work.tile.first_row / group;
    if (params.head_size == Tile::parts * Tile::part) {
      copy_box(queries, map, full, {0, 0, token, 0, work.kv_head});
    } else {
#pragma unroll
      for (int part = 0; part < Tile::parts; part++) {
        copy_box(queries[part], map, full, {part * Tile::part, 0, token, 0, work.kv_head});
      }
    }
  }
}

}  // namespace attention
