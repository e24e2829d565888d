// Softmax over a token's experts, and its k largest weights. Each simdgroup serves one token, so that all reductions
// stay inside a simdgroup.
#include "reduction/ordered_bits.h"

constant bool renormalize [[function_constant(0)]];

struct TopkSoftmaxParams {
  uint tokens;
  uint experts;
  uint k;
};

template <typename T>
[[kernel]] void topk_softmax(device const T* logits [[buffer(0)]],
                             device float* weights [[buffer(1)]],
                             device int* ids [[buffer(2)]],
                             constant TopkSoftmaxParams& params [[buffer(3)]],
                             uint group [[threadgroup_position_in_grid]],
                             uint simdgroup [[simdgroup_index_in_threadgroup]],
                             uint num_simdgroups [[simdgroups_per_threadgroup]],
                             uint lane [[thread_index_in_simdgroup]]) {
  const uint token = group * num_simdgroups + simdgroup;
  if (token >= params.tokens) return;
  device const T* row = logits + ulong(token) * params.experts;
  device float* token_weights = weights + ulong(token) * params.k;
  device int* token_ids = ids + ulong(token) * params.k;

  uint lowest = 0xffffffffu;
  uint highest = 0;
  for (uint i = lane; i < params.experts; i += 32) {
    const uint bits = ordered_bits(float(row[i]));
    lowest = min(lowest, bits);
    highest = max(highest, bits);
  }
  lowest = simd_min(lowest);
  highest = simd_max(highest);
  const bool valid = has_distribution(lowest, highest);
  const float maximum = valid ? from_ordered_bits(highest) : 0.0f;

  // Each round picks the next logit in the order of the result: descending, ties by lower index.
  float total = 0.0f;
  uint chosen_bits = 0xffffffffu;
  uint chosen_id = 0xffffffffu;
  for (uint j = 0; j < params.k; j++) {
    uint best_bits = 0;
    uint best_id = 0xffffffffu;
    for (uint i = lane; i < params.experts; i += 32) {
      const uint bits = ordered_bits(float(row[i]));
      const bool after = j == 0 || bits < chosen_bits || (bits == chosen_bits && i > chosen_id);
      if (after && (bits > best_bits || best_id == 0xffffffffu)) {
        best_bits = bits;
        best_id = i;
      }
    }
    chosen_bits = simd_max(best_bits);
    chosen_id = simd_min(best_bits == chosen_bits ? best_id : 0xffffffffu);
    const float weight = precise::exp(from_ordered_bits(chosen_bits) - maximum);
    total += weight;
    if (lane == 0) {
      token_ids[j] = int(chosen_id);
      token_weights[j] = weight;
    }
  }
  if (!renormalize) {
    total = 0.0f;
    for (uint i = lane; i < params.experts; i += 32) total += precise::exp(float(row[i]) - maximum);
    total = simd_sum(total);
  }
  if (lane == 0) {
    for (uint j = 0; j < params.k; j++) token_weights[j] = valid ? token_weights[j] / total : NAN;
  }
}

#define instantiate_topk_softmax(type)                                                       \
  template [[host_name("topk_softmax_" #type)]] [[kernel]] void topk_softmax<type>(          \
      device const type*, device float*, device int*, constant TopkSoftmaxParams&, uint, uint, uint, uint);

instantiate_topk_softmax(float)
instantiate_topk_softmax(half)
instantiate_topk_softmax(bfloat)
