// Softmax along the last axis, in float32. One threadgroup per row.
#include <metal_stdlib>
#include "common/element.h"

using namespace metal;

constant int x_type [[function_constant(0)]];
constant int output_type [[function_constant(1)]];

struct SoftmaxParams {
  uint length;
};

[[kernel]] void softmax(device const uchar* x [[buffer(0)]],
                        device uchar* output [[buffer(1)]],
                        constant SoftmaxParams& params [[buffer(2)]],
                        uint row [[threadgroup_position_in_grid]],
                        uint simdgroup [[simdgroup_index_in_threadgroup]],
                        uint simdgroups [[simdgroups_per_threadgroup]],
                        uint lane [[thread_index_in_simdgroup]],
                        uint thread_index [[thread_index_in_threadgroup]],
                        uint threads [[threads_per_threadgroup]]) {
  threadgroup float maxima[32];
  threadgroup float sums[32];
  const ulong base = ulong(row) * params.length;

  float maximum = -INFINITY;
  for (uint i = thread_index; i < params.length; i += threads) {
    maximum = max(maximum, load_element<float>(x, x_type, base + i));  // max ignores NaN, but the sum does not
  }
  maximum = simd_max(maximum);
  if (lane == 0) maxima[simdgroup] = maximum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint s = 0; s < simdgroups; s++) maximum = max(maximum, maxima[s]);

  float sum = 0.0f;
  for (uint i = thread_index; i < params.length; i += threads) {
    sum += precise::exp(load_element<float>(x, x_type, base + i) - maximum);
  }
  sum = simd_sum(sum);
  if (lane == 0) sums[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = 0.0f;
  for (uint s = 0; s < simdgroups; s++) sum += sums[s];

  for (uint i = thread_index; i < params.length; i += threads) {
    store_element(output, output_type, base + i, precise::exp(load_element<float>(x, x_type, base + i) - maximum) / sum);
  }
}
