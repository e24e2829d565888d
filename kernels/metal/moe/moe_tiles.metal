// Divides the pairs of each expert, which are contiguous in sorted order, into tiles of rows. Runs in one threadgroup,
// with one thread per expert.
#include "moe/moe_tiles.h"

struct MoeTilesParams {
  uint pairs;
  uint experts;
  uint tiles;  // capacity of the output
};

/// The first sorted pair whose expert is at least `expert`. Expert −1, as an unsigned number, is greater than all.
inline uint first_pair(device const int* expert_ids, uint pairs, uint expert) {
  uint low = 0;
  uint high = pairs;
  while (low < high) {
    const uint middle = (low + high) / 2;
    if (uint(expert_ids[middle]) < expert) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

[[kernel]] void moe_tiles(device const int* expert_ids [[buffer(0)]],
                          device MoeTile* tiles [[buffer(1)]],
                          constant MoeTilesParams& params [[buffer(2)]],
                          uint thread_index [[thread_index_in_threadgroup]],
                          uint num_threads [[threads_per_threadgroup]],
                          uint simdgroup [[simdgroup_index_in_threadgroup]],
                          uint num_simdgroups [[simdgroups_per_threadgroup]],
                          uint lane [[thread_index_in_simdgroup]]) {
  threadgroup uint counts[32];
  uint num_tiles = 0;
  // "Expert" params.experts stands for the pairs without an expert.
  for (uint start = 0; start <= params.experts; start += num_threads) {
    const uint expert = start + thread_index;
    uint first = 0;
    uint end = 0;
    if (expert <= params.experts) {
      first = first_pair(expert_ids, params.pairs, expert);
      end = expert < params.experts ? first_pair(expert_ids, params.pairs, expert + 1) : params.pairs;
    }
    const uint rows = end > first ? end - first : 0;
    const uint count = (rows + moe_tile_rows - 1) / moe_tile_rows;
    const uint before = simd_prefix_exclusive_sum(count);
    const uint all = simd_sum(count);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the previous iteration's counts have been read
    if (lane == 0) counts[simdgroup] = all;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint tile = num_tiles + before;
    for (uint i = 0; i < num_simdgroups; i++) {
      if (i < simdgroup) tile += counts[i];
      num_tiles += counts[i];
    }
    for (uint i = 0; i < count && tile + i < params.tiles; i++) {
      const uint row = first + i * moe_tile_rows;
      tiles[tile + i] = MoeTile{int(row), int(min(row + moe_tile_rows, end)), expert < params.experts ? int(expert) : -1};
    }
  }
  for (uint tile = num_tiles + thread_index; tile < params.tiles; tile += num_threads) tiles[tile] = MoeTile{0, 0, 0};
}
