// Merges attention over disjoint parts of the keys by their log-sum-exps: the operands of mergeAttentionStates, or the
// splits of an attention kernel. A threadgroup of one simdgroup merges one row; its lanes share out the head's
// elements.
#include "common/pack.h"

constant bool has_sinks [[function_constant(0)]];  // one per head; with splits, only the merge adds them
constant bool has_lse [[function_constant(1)]];

struct MergeParams {
  int parts;
  int rows;  // tokens * heads
  int heads;
  int head_size;
};

template <typename From, typename To>
[[kernel]] void merge_attention_states(device const From* outputs [[buffer(0)]],  // [parts, rows, head_size]
                                       device const float* lses [[buffer(1)]],    // [parts, rows], natural logarithm
                                       device const float* sinks [[buffer(2)]],   // [heads]
                                       device To* output [[buffer(3)]],
                                       device float* lse [[buffer(4)]],
                                       constant MergeParams& params [[buffer(5)]],
                                       uint row [[threadgroup_position_in_grid]],
                                       uint lane [[thread_position_in_threadgroup]]) {
  const ulong rows = params.rows;
  const ulong head_size = params.head_size;
  float maximum = -INFINITY;
  bool is_nan = false;
  for (int part = 0; part < params.parts; part++) {
    const float value = lses[part * rows + row];
    is_nan = is_nan || isnan(value);
    if (value > maximum) maximum = value;
  }
  const bool is_empty = maximum == -INFINITY && !is_nan;
  const float sink = has_sinks ? sinks[row % uint(params.heads)] : -INFINITY;
  if (!is_empty) maximum = is_nan ? NAN : max(maximum, sink);

  float denominator = has_sinks ? precise::exp(sink - maximum) : 0.0f;
  if (!is_empty) {
    for (int part = 0; part < params.parts; part++) {
      denominator += precise::exp(lses[part * rows + row] - maximum);
    }
  }
  if (has_lse && lane == 0) lse[row] = is_empty ? -INFINITY : maximum + precise::log(denominator);

  for (ulong d = lane; d < head_size; d += 32) {
    float sum = 0.0f;
    for (int part = 0; part < params.parts && !is_empty; part++) {
      const float weight = precise::exp(lses[part * rows + row] - maximum);
      // An empty part has weight 0; its output may be NaN.
      if (weight != 0.0f) sum += weight * float(outputs[(part * rows + row) * head_size + d]);
    }
    output[row * head_size + d] = To(is_empty ? 0.0f : sum / denominator);
  }
}

#define instantiate_merge_attention_states(from, to)                                                            \
  template [[host_name("merge_attention_states_" #from "_" #to)]] [[kernel]] decltype(                          \
      merge_attention_states<from, to>) merge_attention_states<from, to>;

instantiate_merge_attention_states(float, float)
instantiate_merge_attention_states(half, half)
instantiate_merge_attention_states(bfloat, bfloat)
instantiate_merge_attention_states(float, half)    // of splits, which are float
instantiate_merge_attention_states(float, bfloat)
