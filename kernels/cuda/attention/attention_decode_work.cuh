#pragma once
// How decode attention is divided among blocks. An item is what one block could do alone: some rows of one sequence and
// one KV head. Its keys are cut into tiles. The costs of all items stand in one row, in tiles, and every block takes an
// equal share of that row: so bytes are balanced whatever the lengths, and a block shares at most two items, its first
// and its last, with others. Their parts are merged by the block that is last to finish one.

#include "attention/attention_rows.cuh"
#include "common/block_reduce.cuh"

namespace attention {

/// What the launcher chooses.
struct DecodeConfig {
  int slices;      // warps that divide the keys of a tile
  int row_groups;  // of 16 rows; each has its own `slices` warps
  int row_tiles;   // of 16 * row_groups rows, for the rows of a sequence and a KV head
  int stages;      // of the pipeline
  int tile_shift;  // log2 of the keys of a tile
  int block_shift;  // log2(block_size)
  int forced_parts;  // 0: equal shares; else so many blocks for every item
};

/// What an item costs besides its tiles, in tiles: reading the queries, merging the slices, writing the output.
constexpr int item_cost = 1;
/// Tiles begin at multiples of so many keys, so that eight keys from a multiple of eight lie in one block of the cache.
constexpr int key_alignment = 16;

/// A sequence as decode sees it.
struct SequenceWork {
  QueryRange query;
  int context;
  KeyRange keys;  // that some row keeps
  int first_key;  // of tile 0
  int tiles;      // -1: not served here
};

__device__ __forceinline__ SequenceWork sequence_work(const AttentionParams& params, const DecodeConfig& config,
                                                      int sequence) {
  const int group = params.heads / params.kv_heads;
  SequenceWork work;
  work.query = query_range(params, sequence);
  work.context = context_length(params, sequence);
  const int capacity = key_capacity(params);
  const int position = work.context - work.query.length;  // of the first token
  work.keys.begin = kept_keys(params, position, work.context, capacity).begin;
  work.keys.end = kept_keys(params, work.context - 1, work.context, capacity).end;
  work.first_key = work.keys.begin & -key_alignment;
  work.tiles = 0;
  if (work.keys.end > work.keys.begin) {
    work.tiles = ((work.keys.end - 1 - work.first_key) >> config.tile_shift) + 1;
  }
  if (work.query.length == 0 || work.query.length > decode_query_length(group)) work.tiles = -1;
  return work;
}

__device__ __forceinline__ int items_per_sequence(const AttentionParams& params, const DecodeConfig& config) {
  return params.kv_heads * config.row_tiles;
}

/// Tiles of one item that one block computes.
struct Segment {
  int sequence;
  int item;  // of the sequence
  SequenceWork work;
  int first_key;  // of its first tile
  int tiles;
  int part;  // of `parts`
  int parts;
};

/// Walks the segments of a block. Costs count from the beginning of the block's share.
struct WorkCursor {
  int sequence;
  int item;
  int item_begin;  // in the row of costs; negative where the item began in an earlier block
  int position;
  int end;
  int share;  // of every block

  __device__ __forceinline__ bool next(Segment& segment, const AttentionParams& params, const DecodeConfig& config) {
    if (config.forced_parts > 0) return next_forced(segment, params, config);
    while (position < end) {
      const SequenceWork work = sequence_work(params, config, sequence);
      if (work.tiles < 0 || item == items_per_sequence(params, config)) {
        sequence++;
        item = 0;
        continue;
      }
      const int first_tile = item_begin + item_cost;  // its place in the row
      const int item_end = first_tile + work.tiles;
      const int until = min(end, item_end);
      const int begin_tile = max(position - first_tile, 0);
      segment.sequence = sequence;
      segment.item = item;
      segment.work = work;
      segment.first_key = work.first_key + (begin_tile << config.tile_shift);
      segment.tiles = max(until - first_tile, 0) - begin_tile;
      const bool is_mine = work.tiles == 0 ? position == item_begin : segment.tiles > 0;
      if (is_mine) {
        segment.part = first_tile < 0 ? (share - 1 - first_tile) / share : 0;
        segment.parts = work.tiles == 0 ? 1 : segment.part + 1 + (item_end - 1) / share;
      }
      position = until;
      if (until == item_end) {
        item++;
        item_begin = item_end;
      }
      if (is_mine) return true;
    }
    return false;
  }

 private:
  __device__ __forceinline__ bool next_forced(Segment& segment, const AttentionParams& params,
                                              const DecodeConfig& config) {
    if (position == end) return false;
    position = end;
    segment.sequence = sequence;
    segment.item = item;
    segment.work = sequence_work(params, config, sequence);
    if (segment.work.tiles < 0) return false;
    segment.parts = config.forced_parts;
    segment.part = blockIdx.x % config.forced_parts;
    const int begin_tile = int(int64_t(segment.work.tiles) * segment.part / segment.parts);
    const int end_tile = int(int64_t(segment.work.tiles) * (segment.part + 1) / segment.parts);
    segment.first_key = segment.work.first_key + (begin_tile << config.tile_shift);
    segment.tiles = end_tile - begin_tile;
    return true;
  }
};

/// Division that is fast for what costs are, all but always.
__device__ __forceinline__ int64_t divide_cost(int64_t cost, int divisor) {
  return cost >> 32 == 0 ? int64_t(uint32_t(cost) / uint32_t(divisor)) : cost / divisor;
}

/// The share of this block. All threads call it; `position == end` where there is none.
__device__ __forceinline__ WorkCursor find_share(const AttentionParams& params, const DecodeConfig& config) {
  __shared__ int64_t warp_costs[warp_size];
  __shared__ WorkCursor found;
  const int items = items_per_sequence(params, config);
  if (config.forced_parts > 0) {
    const int item = blockIdx.x / config.forced_parts;
    return {item / items, item % items, 0, 0, 1, 1};
  }

  // The costs up to the thread's sequences, which follow each other.
  const int sequences_per_thread = (params.sequences + int(blockDim.x) - 1) / int(blockDim.x);
  const int first = min(int(threadIdx.x) * sequences_per_thread, params.sequences);
  const int last = min(first + sequences_per_thread, params.sequences);
  int64_t cost = 0;
  for (int sequence = first; sequence < last; sequence++) {
    const int tiles = sequence_work(params, config, sequence).tiles;
    if (tiles >= 0) cost += int64_t(item_cost + tiles) * items;
  }
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  int64_t cost_until = cost;
#pragma unroll
  for (int step = 1; step < warp_size; step *= 2) {
    const int64_t before = __shfl_up_sync(all_lanes, cost_until, step);
    if (lane >= step) cost_until += before;
  }
  if (lane == warp_size - 1) warp_costs[warp] = cost_until;
  __syncthreads();
  int64_t cost_before = cost_until - cost;
  int64_t total = 0;
  for (int i = 0; i < int(blockDim.x) / warp_size; i++) {
    if (i < warp) cost_before += warp_costs[i];
    total += warp_costs[i];
  }

  // No less than the pipeline loads at once, unless items are shorter: parts that are smaller cost more to merge.
  const int64_t average = divide_cost(total, params.sequences * items);
  const int64_t smallest = min(average, int64_t(config.stages - 1));
  const int64_t share = max(divide_cost(total + gridDim.x - 1, gridDim.x), smallest);
  const int64_t begin = share * blockIdx.x;
  if (begin >= total) return {0, 0, 0, 0, 0, 1};  // the whole block
  if (begin >= cost_before && begin < cost_before + cost) {
    for (int sequence = first; sequence < last; sequence++) {
      const int tiles = sequence_work(params, config, sequence).tiles;
      if (tiles < 0) continue;
      const int64_t cost_of_item = item_cost + tiles;
      const int64_t cost_after = cost_before + cost_of_item * items;
      if (begin < cost_after) {
        const int64_t item = divide_cost(begin - cost_before, int(cost_of_item));
        const int64_t item_begin = cost_before + item * cost_of_item - begin;
        found = {sequence, int(item), int(item_begin), 0, int(min(share, total - begin)), int(share)};
        break;
      }
      cost_before = cost_after;
    }
  }
  __syncthreads();
  return found;
}

/// Where the parts of a segment's item are stored. With equal shares, part 0 is the last thing its block does, and any
/// other part the first: two places a block.
__device__ __forceinline__ int64_t part_slot(const Segment& segment, int part, const DecodeConfig& config) {
  if (config.forced_parts > 0) return int64_t(blockIdx.x) - segment.part + part;
  const int block = int(blockIdx.x) - segment.part + part;
  return int64_t(block) * 2 + (part == 0 ? 1 : 0);
}

/// The counter of the parts of a segment's item that are there.
__device__ __forceinline__ int64_t arrival_slot(const Segment& segment, const DecodeConfig& config) {
  const int first_block = int(blockIdx.x) - segment.part;
  return config.forced_parts > 0 ? first_block / config.forced_parts : first_block;
}

}  // namespace attention
