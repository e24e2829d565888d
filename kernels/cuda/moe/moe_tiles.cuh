#pragma once

#include "common/block_reduce.cuh"
#include "moe/moe_tiles.h"
#include "common/shared_memory.cuh"

namespace attention {

/// Runs as one block. Bucket `experts` holds the pairs without an expert. Shared memory holds the first pair and the
/// first tile of each bucket, each with one more entry for the end. Counts become tile starts by a prefix sum.
static __global__ void moe_tiles_kernel(const int* __restrict__ expert_ids, int pairs, int experts, int rows_per_tile,
                                        MoeTile* __restrict__ tiles, int num_tiles) {
  const int buckets = experts + 1;
  int* starts = shared_memory<int>();
  int* tile_starts = starts + buckets + 1;
  const auto bucket_of = [&](int id) { return id >= 0 && id < experts ? id : experts; };

  for (int i = threadIdx.x; i <= buckets; i += blockDim.x) starts[i] = pairs;
  __syncthreads();
  for (int i = threadIdx.x; i < pairs; i += blockDim.x) {
    const int bucket = bucket_of(expert_ids[i]);
    const int before = i > 0 ? bucket_of(expert_ids[i - 1]) : -1;
    for (int j = before + 1; j <= bucket; j++) atomicMin(&starts[j], i);  // the first pair, also if ids are unsorted
  }
  __syncthreads();
  if (threadIdx.x < warp_size) {
    const int lane = threadIdx.x;
    int all = 0;
    for (int first = 0; first < buckets; first += warp_size) {
      const int bucket = first + lane;
      const int rows = bucket < buckets ? max(starts[bucket + 1] - starts[bucket], 0) : 0;
      const int count = (rows + rows_per_tile - 1) / rows_per_tile;
      int sum = count;
#pragma unroll
      for (int step = 1; step < warp_size; step *= 2) {
        const int other = __shfl_up_sync(all_lanes, sum, step);
        if (lane >= step) sum += other;
      }
      if (bucket < buckets) tile_starts[bucket] = all + sum - count;
      all += __shfl_sync(all_lanes, sum, warp_size - 1);
    }
    if (lane == 0) tile_starts[buckets] = all;
  }
  __syncthreads();
  for (int bucket = threadIdx.x; bucket < buckets; bucket += blockDim.x) {
    const int count = tile_starts[bucket + 1] - tile_starts[bucket];
    for (int i = 0; i < count && tile_starts[bucket] + i < num_tiles; i++) {
      const int first = starts[bucket] + i * rows_per_tile;
      tiles[tile_starts[bucket] + i] =
          MoeTile{first, min(first + rows_per_tile, starts[bucket + 1]), bucket < experts ? bucket : -1};
    }
  }
  for (int i = tile_starts[buckets] + threadIdx.x; i < num_tiles; i += blockDim.x) tiles[i] = MoeTile{0, 0, -1};
}

}  // namespace attention
