// A stable counting sort of pairs by expert. Each simdgroup serves one expert: it counts the pairs of all lower
// experts, then writes its own pairs in order. Simdgroups read the ids repeatedly instead of exchanging counts, so they
// need neither synchronization nor scratch memory.
#include <metal_stdlib>

using namespace metal;

struct SortTokensByExpertParams {
  uint pairs;
  uint experts;
};

constant constexpr uint pairs_per_lane = 4;

[[kernel]] void sort_tokens_by_expert(device const int* ids [[buffer(0)]],
                                      device int* sorted_token_ids [[buffer(1)]],
                                      device int* expert_ids [[buffer(2)]],
                                      constant SortTokensByExpertParams& params [[buffer(3)]],
                                      uint group [[threadgroup_position_in_grid]],
                                      uint simdgroup [[simdgroup_index_in_threadgroup]],
                                      uint num_simdgroups [[simdgroups_per_threadgroup]],
                                      uint lane [[thread_index_in_simdgroup]]) {
  // The last simdgroup writes the pairs without an expert.
  const uint expert = group * num_simdgroups + simdgroup;
  if (expert > params.experts) return;

  uint before = 0;
  for (uint pair = lane; pair < params.pairs; pair += 32) before += uint(ids[pair]) < expert ? 1 : 0;
  uint next = simd_sum(before);

  for (uint start = 0; start < params.pairs; start += 32 * pairs_per_lane) {
    const uint first = start + lane * pairs_per_lane;
    bool mine[pairs_per_lane];
    uint count = 0;
    for (uint i = 0; i < pairs_per_lane; i++) {
      mine[i] = first + i < params.pairs && min(uint(ids[first + i]), params.experts) == expert;
      count += mine[i] ? 1 : 0;
    }
    uint position = next + simd_prefix_exclusive_sum(count);
    next += simd_sum(count);
    for (uint i = 0; i < pairs_per_lane; i++) {
      if (!mine[i]) continue;
      sorted_token_ids[position] = int(first + i);
      expert_ids[position] = expert < params.experts ? int(expert) : -1;
      position++;
    }
  }
}
