#pragma once
// How decode attention is divided among blocks. An output tile is some rows of one sequence and one KV head. Its keys
// are divided into tiles. All output tiles are laid end to end on one line of costs, measured in tiles of keys, and
// every block takes an equal share of that line. So blocks read equal numbers of bytes whatever the context lengths,
// and a block shares at most two output tiles with other blocks: its first and its last. If an output tile is divided
// into splits, the block that finishes its split last merges them.
//
// Example: one KV head, 3 sequences of context lengths 5, 1000 and 64 on 4 blocks, with tiles of 64 keys and 3 stages.
//
//   sequence   tiles   cost = fixed_cost + tiles   on the line   its tiles on the line
//          0       1                          3         0..2                     2
//          1      16                         18        3..20                 5..20
//          2       1                          3       21..23                    23
//
// The total is 24, so a share is 24 / 4 = 6:
//
//   block   share    segments
//       0    0..5    sequence 0: 1 tile, keys 0..4; sequence 1, split 0 of 4: tile 0, keys 0..63
//       1   6..11    sequence 1, split 1 of 4: tiles 1..6, keys 64..447
//       2  12..17    sequence 1, split 2 of 4: tiles 7..12, keys 448..831
//       3  18..23    sequence 1, split 3 of 4: tiles 13..15, keys 832..999; sequence 2: 1 tile, keys 0..63
//
// emulator/cuda/tests/attention_decode_work_test.cc checks this example.

#include "attention/attention_rows.cuh"
#include "common/block_reduce.cuh"

namespace attention {

/// The launcher's choices.
struct DecodeConfig {
  int group;             // query heads per KV head
  int slices;            // number of warps that divide the keys of a tile
  int row_groups;        // number of groups of 16 rows; each has its own `slices` warps
  int row_tiles;         // output tiles per sequence and KV head, each of 16 * row_groups rows
  int stages;            // of the copy pipeline
  int tile_shift;        // log2(keys per tile)
  int block_shift;       // log2(block_size)
  int max_query_length;  // decode_query_length of the group
  int forced_splits;     // 0: equal shares; otherwise the number of blocks per output tile
};

/// The fixed cost of an output tile, in tiles of keys: reading the queries, combining the slices, writing the output.
/// Measured on an H200, where it is what makes batches of long and short contexts end together.
constexpr int fixed_cost = 2;
/// Tiles start at multiples of this many keys, so that eight aligned keys lie in one block of the cache.
constexpr int key_alignment = 16;

/// The work of one sequence.
struct SequenceWork {
  QueryRange query;
  int context;
  KeyRange keys;         // kept by any row
  KeyRange kept_by_all;  // by every row
  int first_key;  // of tile 0
  int tiles;      // -1: the prefill kernel handles this sequence
};

__device__ __forceinline__ SequenceWork sequence_work(const AttentionParams& params, const DecodeConfig& config,
                                                      int sequence) {
  SequenceWork work;
  work.query = query_range(params, sequence);
  work.context = context_length(params, sequence);
  const int capacity = key_capacity(params);
  const int position = work.context - work.query.length;  // of the first token
  const KeyRange first_keys = kept_keys(params, position, work.context, capacity);
  const KeyRange last_keys = kept_keys(params, work.context - 1, work.context, capacity);
  work.keys = {first_keys.begin, last_keys.end};
  work.kept_by_all = {last_keys.begin, first_keys.end};
  work.first_key = work.keys.begin & -key_alignment;
  work.tiles = 0;
  if (work.keys.end > work.keys.begin) {
    work.tiles = ((work.keys.end - 1 - work.first_key) >> config.tile_shift) + 1;
  }
  if (work.query.length == 0 || work.query.length > config.max_query_length) work.tiles = -1;
  return work;
}

__device__ __forceinline__ int output_tiles_per_sequence(const AttentionParams& params, const DecodeConfig& config) {
  return params.kv_heads * config.row_tiles;
}

/// Divides in 32 bits, which is faster, if the cost fits, as it nearly always does. Not inlined: it is long and rare.
__device__ __noinline__ inline int64_t divide_cost(int64_t cost, int divisor) {
  return cost >> 32 == 0 ? int64_t(uint32_t(cost) / uint32_t(divisor)) : cost / divisor;
}

/// The tiles of keys of one output tile that one block computes.
struct Segment {
  int sequence;
  int kv_head;
  int row_tile;  // below config.row_tiles
  SequenceWork work;
  int first_key;  // first key of the first tile
  int tiles;
  int split;  // index, below `splits`
  int splits;
};

/// Iterates over the segments of a block. Positions on the line of costs are relative to the start of the block's
/// share.
struct WorkCursor {
  int sequence;
  int output_tile;
  int output_tile_begin;  // on the line; negative if the output tile starts in an earlier block
  int position;
  int end;
  int share;  // the size of each block's share

  /// Inlined once: a decode kernel's first wave waits for its instructions, too.
  __device__ __forceinline__ bool next(Segment& segment, const AttentionParams& params, const DecodeConfig& config) {
#pragma unroll 1
    while (position < end) {
      const SequenceWork work = sequence_work(params, config, sequence);
      segment.sequence = sequence;
      segment.kv_head = output_tile / config.row_tiles;
      segment.row_tile = output_tile % config.row_tiles;
      segment.work = work;
      if (config.forced_splits > 0) {
        position = end;
        take_forced_split(segment, config);
        return work.tiles >= 0;
      }
      if (work.tiles < 0 || output_tile == output_tiles_per_sequence(params, config)) {
        sequence++;
        output_tile = 0;
        continue;
      }
      const int first_tile = output_tile_begin + fixed_cost;  // position on the line
      const int output_tile_end = first_tile + work.tiles;
      const int until = min(end, output_tile_end);
      const int begin_tile = max(position - first_tile, 0);
      segment.first_key = work.first_key + (begin_tile << config.tile_shift);
      segment.tiles = max(until - first_tile, 0) - begin_tile;
      const bool is_mine = work.tiles == 0 ? position == output_tile_begin : segment.tiles > 0;
      if (is_mine) {
        segment.split = first_tile < 0 ? (share - 1 - first_tile) / share : 0;
        segment.splits = work.tiles == 0 ? 1 : segment.split + 1 + (output_tile_end - 1) / share;
      }
      position = until;
      if (until == output_tile_end) {
        output_tile++;
        output_tile_begin = output_tile_end;
      }
      if (is_mine) return true;
    }
    return false;
  }

 private:
  __device__ __forceinline__ void take_forced_split(Segment& segment, const DecodeConfig& config) const {
    segment.splits = config.forced_splits;
    segment.split = int(blockIdx.x % unsigned(config.forced_splits));
    const int begin_tile = int(divide_cost(int64_t(segment.work.tiles) * segment.split, segment.splits));
    const int end_tile = int(divide_cost(int64_t(segment.work.tiles) * (segment.split + 1), segment.splits));
    segment.first_key = segment.work.first_key + (begin_tile << config.tile_shift);
    segment.tiles = end_tile - begin_tile;
  }
};

/// Finds the share of this block. All threads must call it. If the block has no share, `position == end`.
__device__ __forceinline__ WorkCursor find_share(const AttentionParams& params, const DecodeConfig& config) {
  __shared__ int64_t warp_costs[warp_size];
  __shared__ WorkCursor found;
  const int output_tiles = output_tiles_per_sequence(params, config);
  if (config.forced_splits > 0) {
    const int output_tile = blockIdx.x / config.forced_splits;
    return {output_tile / output_tiles, output_tile % output_tiles, 0, 0, 1, 1};
  }

  // Each thread adds the costs of consecutive sequences; a prefix sum over the threads follows.
  const int sequences_per_thread = (params.sequences + int(blockDim.x) - 1) / int(blockDim.x);
  const int first = min(int(threadIdx.x) * sequences_per_thread, params.sequences);
  const int last = min(first + sequences_per_thread, params.sequences);
  int64_t cost = 0;
#pragma unroll 1
  for (int sequence = first; sequence < last; sequence++) {
    const int tiles = sequence_work(params, config, sequence).tiles;
    if (tiles >= 0) cost += int64_t(fixed_cost + tiles) * output_tiles;
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
#pragma unroll 1
  for (int i = 0; i < int(blockDim.x) / warp_size; i++) {
    if (i < warp) cost_before += warp_costs[i];
    total += warp_costs[i];
  }

  // A share has at least as many tiles as the pipeline loads ahead, unless the average output tile is shorter: merging
  // smaller splits costs more than it gains.
  const int64_t average = divide_cost(total, params.sequences * output_tiles);
  const int64_t smallest = min(average, int64_t(config.stages - 1));
  const int64_t share = max(divide_cost(total + gridDim.x - 1, gridDim.x), smallest);
  const int64_t begin = share * blockIdx.x;
  if (begin >= total) return {0, 0, 0, 0, 0, 1};  // all threads of the block return here
  if (begin >= cost_before && begin < cost_before + cost) {
#pragma unroll 1
    for (int sequence = first; sequence < last; sequence++) {
      const int tiles = sequence_work(params, config, sequence).tiles;
      if (tiles < 0) continue;
      const int64_t cost_per_output_tile = fixed_cost + tiles;
      const int64_t cost_after = cost_before + cost_per_output_tile * output_tiles;
      if (begin < cost_after) {
        const int64_t output_tile = divide_cost(begin - cost_before, int(cost_per_output_tile));
        const int64_t output_tile_begin = cost_before + output_tile * cost_per_output_tile - begin;
        found = {sequence, int(output_tile), int(output_tile_begin), 0, int(min(share, total - begin)), int(share)};
        break;
      }
      cost_before = cost_after;
    }
  }
  __syncthreads();
  return found;
}

/// The slot for the partial result of a split of the segment's output tile. With equal shares, split 0 is the last
/// segment of its block, and every other split is the first of its block: two slots per block.
__device__ __forceinline__ int64_t partial_slot(const Segment& segment, int split, const DecodeConfig& config) {
  if (config.forced_splits > 0) return int64_t(blockIdx.x) - segment.split + split;
  const int block = int(blockIdx.x) - segment.split + split;
  return int64_t(block) * 2 + (split == 0 ? 1 : 0);
}

/// The slot that counts the finished splits of the segment's output tile.
__device__ __forceinline__ int64_t arrival_slot(const Segment& segment, const DecodeConfig& config) {
  const int first_block = int(blockIdx.x) - segment.split;
  return config.forced_splits > 0 ? first_block / config.forced_splits : first_block;
}

}  // namespace attention
