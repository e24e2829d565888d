// Cumulative sums or products along the last axis. One threadgroup per row: each thread combines a contiguous piece,
// then starts from the combined pieces before its own.
#include <metal_stdlib>
#include "common/element.h"

using namespace metal;

constant int x_type [[function_constant(0)]];
constant int output_type [[function_constant(1)]];
constant bool product [[function_constant(2)]];
constant bool exclusive [[function_constant(3)]];
constant bool reversed [[function_constant(4)]];

struct CumulateParams {
  uint length;
};

inline float combine(float a, float b) { return product ? a * b : a + b; }
inline int combine(int a, int b) { return int(product ? uint(a) * uint(b) : uint(a) + uint(b)); }

template <typename Value>
[[kernel]] void cumulate(device const uchar* x [[buffer(0)]],
                         device uchar* output [[buffer(1)]],
                         constant CumulateParams& params [[buffer(2)]],
                         uint row [[threadgroup_position_in_grid]],
                         uint thread_index [[thread_index_in_threadgroup]],
                         uint threads [[threads_per_threadgroup]]) {
  threadgroup Value totals[256];
  const ulong base = ulong(row) * params.length;
  const uint part = (params.length + threads - 1) / threads;
  const uint start = min(thread_index * part, params.length);
  const uint end = min(start + part, params.length);
  const Value neutral = Value(product ? 1 : 0);

  Value total = neutral;
  for (uint i = start; i < end; i++) {
    total = combine(total, load_element<Value>(x, x_type, base + (reversed ? params.length - 1 - i : i)));
  }
  totals[thread_index] = total;
  threadgroup_barrier(mem_flags::mem_threadgroup);

  Value running = neutral;
  for (uint i = 0; i < thread_index; i++) running = combine(running, totals[i]);
  for (uint i = start; i < end; i++) {
    const ulong at = base + (reversed ? params.length - 1 - i : i);
    const Value next = combine(running, load_element<Value>(x, x_type, at));
    store_element(output, output_type, at, exclusive ? running : next);
    running = next;
  }
}

#define instantiate_cumulate(type)                                          \
  template [[host_name("cumulate_" #type)]] [[kernel]] void cumulate<type>( \
      device const uchar*, device uchar*, constant CumulateParams&, uint, uint, uint);

instantiate_cumulate(float)
instantiate_cumulate(int)
