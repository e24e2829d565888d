#pragma once
// How decode attention is divided among blocks. An item is the smallest unit of output: some rows of one sequence and
// one KV head. Its keys are cut into tiles. All items are laid end to end on one line of costs, measured in tiles, and
// every block takes an equal share of that line. Blocks therefore read equal numbers of bytes whatever the context
// lengths, and a block shares at most two items with other blocks: its first and its last. If an item is split into
// parts, the block that finishes its part last merges them.
//
// Example: one KV head, 3 sequences of context lengths 5, 1000 and 64 on 4 blocks, with tiles of 64 keys and 3 stages.
//
//   sequence   tiles   cost = item_cost + tiles   on the line   its tiles on the line
//          0       1                          2         0..1                     1
//          1      16                         17        2..18                 3..18
//          2       1                          2       19..20                    20
//
// The total is 21, so a share is ceil(21 / 4) = 6:
//
//   block   share    segments
//       0    0..5    sequence 0: 1 tile, keys 0..4; sequence 1, part 0 of 4: tiles 0..2, keys 0..191
//       1   6..11    sequence 1, part 1 of 4: tiles 3..8, keys 192..575
//       2  12..17    sequence 1, part 2 of 4: tiles 9..14, keys 576..959
//       3  18..20    sequence 1, part 3 of 4: tile 15, keys 960..999; sequence 2: 1 tile, keys 0..63
//
// emulator/cuda/tests/attention_decode_work_test.cc checks this example.

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

/// The fixed cost of an item, in tiles: reading the queries, merging the slices, writing the output.
constexpr int item_cost = 1;
/// Tiles begin at multiples of this many keys, so that eight keys from a multiple of eight are in one block of the cache.
constexpr int key_alignment = 16;

/// The work of one sequence.
struct SequenceWork {
  QueryRange query;
  int context;
  KeyRange keys;  // kept by at least one row
  int first_key;  // of tile 0
  int tiles;      // -1: the prefill kernel handles this sequence
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

/// The tiles of one item that one block computes.
struct Segment {
  int sequence;
  int item;  // of the sequence
  SequenceWork work;
  int first_key;  // of its first tile
  int tiles;
  int part;  // of `parts`
  int parts;
};

/// Walks the segments of a block. Positions on the line of costs are relative to the beginning of the block's share.
struct WorkCursor {
  int sequence;
  int item;
  int item_begin;  // on the line; negative if the item began in an earlier block
  int position;
  int end;
  int share;  // size of every block's share

  __device__ __forceinline__ bool next(Segment& segment, const AttentionParams& params, const DecodeConfig& config) {
    if (config.forced_parts > 0) return next_forced(segment, params, config);
    while (position < end) {
      const SequenceWork work = sequence_work(params, config, sequence);
      if (work.tiles < 0 || item == items_per_sequence(params, config)) {
        sequence++;
        item = 0;
        continue;
      }
      const int first_tile = item_begin + item_cost;  // its position on the line
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

/// Divides in 32 bits, which is faster, if the cost fits: almost always.
__device__ __forceinline__ int64_t divide_cost(int64_t cost, int divisor) {
  return cost >> 32 == 0 ? int64_t(uint32_t(cost) / uint32_t(divisor)) : cost / divisor;
}

/// The share of this block. All threads must call it. If the block has no share, `position == end`.
__device__ __forceinline__ WorkCursor find_share(const AttentionParams& params, const DecodeConfig& config) {
  __shared__ int64_t warp_costs[warp_size];
  __shared__ WorkCursor found;
  const int items = items_per_sequence(params, config);
  if (config.forced_parts > 0) {
    const int item = blockIdx.x / config.forced_parts;
    return {item / items, item % items, 0, 0, 1, 1};
  }

  // Each thread adds the costs of a run of consecutive sequences; a prefix sum over the threads follows.
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

  // A share has at least as many tiles as the pipeline loads ahead, unless the average item is shorter: merging smaller
  // parts costs more than it gains.
  const int64_t average = divide_cost(total, params.sequences * items);
  const int64_t smallest = min(average, int64_t(config.stages - 1));
  const int64_t share = max(divide_cost(total + gridDim.x - 1, gridDim.x), smallest);
  const int64_t begin = share * blockIdx.x;
  if (begin >= total) return {0, 0, 0, 0, 0, 1};  // all threads of the block return here
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

/// The slot that stores a part of a segment's item. With equal shares, part 0 is the last segment of its block, and any
/// other part is the first: two slots per block.
__device__ __forceinline__ int64_t part_slot(const Segment& segment, int part, const DecodeConfig& config) {
  if (config.forced_parts > 0) return int64_t(blockIdx.x) - segment.part + part;
  const int block = int(blockIdx.x) - segment.part + part;
  return int64_t(block) * 2 + (part == 0 ? 1 : 0);
}

/// The slot of the counter of finished parts of a segment's item.
__device__ __forceinline__ int64_t arrival_slot(const Segment& segment, const DecodeConfig& config) {
  const int first_block = int(blockIdx.x) - segment.part;
  return config.forced_parts > 0 ? first_block / config.forced_parts : first_block;
}

}  // namespace attention
