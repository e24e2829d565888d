#include <metal_stdlib>
using namespace metal;

constant bool doubled [[function_constant(0)]];
constant int shift [[function_constant(1)]];
constant bool shifted = is_function_constant_defined(shift) && shift != 0;

struct Params {
  uint columns;
  float scale;
};

// Sums rows: one threadgroup a row.
template <typename T>
[[kernel]] void sum(
    device const T* x [[buffer(0)]],
    device T* output [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    uint row [[threadgroup_position_in_grid]],
    uint thread_index [[thread_index_in_threadgroup]],
    uint threads [[threads_per_threadgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float partial[32];
  float total = 0;
  for (uint i = thread_index; i < params.columns; i += threads) {
    total += static_cast<float>(x[row * params.columns + i]);
  }
  total = simd_sum(total);
  if (lane == 0) {
    partial[simdgroup] = total;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simdgroup == 0) {
    total = simd_sum(lane < threads / 32 ? partial[lane] : 0.0);
    if (doubled) {
      total *= 2;
    }
    if (shifted) {
      total += float(shift);
    }
    if (lane == 0) {
      output[row] = T(total * params.scale);
    }
  }
}

#define instantiate_sum(name, type) \
  template [[host_name("sum_" #name)]] [[kernel]] void sum<type>( \
      device const type*, device type*, constant Params&, uint, uint, uint, uint, uint);
instantiate_sum(float, float)
instantiate_sum(half, half)
instantiate_sum(bfloat, bfloat)
