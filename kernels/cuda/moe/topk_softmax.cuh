#pragma once
// Softmax over each token's experts and its k largest values, one warp per token. The k experts are found by k rounds
// of a warp-wide maximum, since k is small.

#include "common/block_reduce.cuh"
#include "common/convert.cuh"
#include "reduction/ordered_bits.cuh"

namespace attention {

/// The warp's best candidate: greater ordered bits of the logit, then the lower id, whose complement is the low word.
__device__ __forceinline__ uint64_t warp_first(uint64_t candidate) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const uint64_t other = __shfl_xor_sync(all_lanes, static_cast<unsigned long long>(candidate), step);
    candidate = other > candidate ? other : candidate;
  }
  return candidate;
}

/// Thread x is the lane, thread y the token within the block.
template <typename T>
__global__ void topk_softmax_kernel(const T* __restrict__ logits, float* __restrict__ weights, int* __restrict__ ids,
                                    int tokens, int experts, int k, bool renormalize) {
  const int lane = threadIdx.x;
  const int64_t token = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (token >= tokens) return;
  const T* row = logits + token * experts;
  float* token_weights = weights + token * k;
  int* token_ids = ids + token * k;

  // Each round takes the best candidate after the previous one.
  uint64_t chosen = 0;
  float maximum = 0.0f;
  float total = 0.0f;
  for (int j = 0; j < k; j++) {
    uint64_t best = 0;
    for (int expert = lane; expert < experts; expert += warp_size) {
      const uint64_t candidate = uint64_t(ordered_bits(to_float(row[expert]))) << 32 | ~uint32_t(expert);
      if ((j == 0 || candidate < chosen) && candidate > best) best = candidate;
    }
    chosen = warp_first(best);
    const float logit = from_ordered_bits(uint32_t(chosen >> 32));
    if (j == 0) maximum = logit;
    const float weight = expf(logit - maximum);
    total += weight;
    if (lane == j % warp_size) {
      token_ids[j] = int(~uint32_t(chosen));
      token_weights[j] = weight;
    }
  }

  float all = 0.0f;
  uint32_t lowest = ~0u;
  for (int expert = lane; expert < experts; expert += warp_size) {
    const float logit = to_float(row[expert]);
    lowest = min(lowest, ordered_bits(logit));
    all += expf(logit - maximum);
  }
  const bool valid = __all_sync(all_lanes, has_distribution(lowest, ordered_bits(maximum)));
  if (!renormalize) total = warp_sum(all);
  for (int j = lane; j < k; j += warp_size) {
    token_weights[j] = valid ? token_weights[j] / total : __builtin_nanf("");
  }
}

}  // namespace attention
