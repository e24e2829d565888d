#pragma once
// Stable counting sort of pairs by expert, in one launch. Every block counts all pairs, separately those before its
// own, and then ranks its own pairs. So no block waits for another. Bucket `experts` holds the pairs with an invalid
// expert id.

#include "common/block_reduce.cuh"
#include "common/shared_memory.cuh"
#include "moe/sort_tokens_by_expert.h"

namespace attention {

__device__ __forceinline__ int expert_bucket(int id, int experts) { return id >= 0 && id < experts ? id : experts; }

/// Adds the pairs [begin, end) to the counts; begin is a multiple of 4.
__device__ __forceinline__ void count_pairs(const int* ids, int begin, int end, int experts, int* counts) {
  const int fours = (end - begin) / 4;
#pragma unroll 4
  for (int i = threadIdx.x; i < fours; i += blockDim.x) {
    const int4 four = reinterpret_cast<const int4*>(ids + begin)[i];
    atomicAdd(&counts[expert_bucket(four.x, experts)], 1);
    atomicAdd(&counts[expert_bucket(four.y, experts)], 1);
    atomicAdd(&counts[expert_bucket(four.z, experts)], 1);
    atomicAdd(&counts[expert_bucket(four.w, experts)], 1);
  }
  for (int pair = begin + fours * 4 + threadIdx.x; pair < end; pair += blockDim.x) {
    atomicAdd(&counts[expert_bucket(ids[pair], experts)], 1);
  }
}

/// The lanes with the same bucket as this lane. `bits` is the number of bits of a bucket.
__device__ __forceinline__ unsigned lanes_of_bucket(int bucket, bool valid, int bits) {
  unsigned lanes = __ballot_sync(all_lanes, valid);
  for (int bit = 0; bit < bits; bit++) {
    const bool set = (bucket >> bit & 1) != 0;
    const unsigned others = __ballot_sync(all_lanes, set);
    lanes &= set ? others : ~others;
  }
  return lanes;
}

/// A block sorts `pairs_per_block` pairs, a multiple of its threads. Shared memory holds, per bucket, the position of
/// its next pair, and the number of pairs of each warp.
static __global__ void sort_tokens_by_expert_kernel(SortTokensByExpertParams params, int pairs_per_block,
                                                    int bucket_bits) {
  const int buckets = params.experts + 1;
  const int warps = blockDim.x / warp_size;
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  int* next = shared_memory<int>();
  int* warp_counts = next + buckets;  // [warps, buckets]; initially row 0 counts this block's and later pairs
  const int begin = blockIdx.x * pairs_per_block;
  const int end = min(begin + pairs_per_block, params.pairs);

  for (int i = threadIdx.x; i < 2 * buckets; i += blockDim.x) next[i] = 0;
  __syncthreads();
  count_pairs(params.ids, 0, begin, params.experts, next);
  count_pairs(params.ids, begin, params.pairs, params.experts, warp_counts);
  __syncthreads();
  if (warp == 0) {
    int start = 0;
    for (int first = 0; first < buckets; first += warp_size) {
      const int bucket = first + lane;
      const int before = bucket < buckets ? next[bucket] : 0;
      const int count = bucket < buckets ? before + warp_counts[bucket] : 0;
      int sum = count;
#pragma unroll
      for (int step = 1; step < warp_size; step *= 2) {
        const int other = __shfl_up_sync(all_lanes, sum, step);
        if (lane >= step) sum += other;
      }
      if (bucket < buckets) next[bucket] = start + sum - count + before;
      start += __shfl_sync(all_lanes, sum, warp_size - 1);
    }
  }

  for (int first = begin; first < end; first += blockDim.x) {
    __syncthreads();  // the previous round has read warp_counts
    for (int i = threadIdx.x; i < warps * buckets; i += blockDim.x) warp_counts[i] = 0;
    __syncthreads();
    const int pair = first + threadIdx.x;
    const bool valid = pair < end;
    const int bucket = valid ? expert_bucket(params.ids[pair], params.experts) : params.experts;
    const unsigned peers = lanes_of_bucket(bucket, valid, bucket_bits);
    const int rank = __popc(peers & ((1u << lane) - 1));
    if (valid && rank == 0) warp_counts[warp * buckets + bucket] = __popc(peers);
    __syncthreads();
    for (int i = threadIdx.x; i < buckets; i += blockDim.x) {
      int position = next[i];
      for (int j = 0; j < warps; j++) {
        const int count = warp_counts[j * buckets + i];
        warp_counts[j * buckets + i] = position;
        position += count;
      }
      next[i] = position;
    }
    __syncthreads();
    if (valid) {
      const int position = warp_counts[warp * buckets + bucket] + rank;
      params.sorted_token_ids[position] = pair;
      params.expert_ids[position] = bucket < params.experts ? bucket : -1;
    }
  }
}

}  // namespace attention
