// Reductions over any axes, addressed by strides.
#include <metal_stdlib>
#include "common/enumerations.h"
#include "common/element.h"
#include "common/strides.h"

using namespace metal;
using namespace attention;

constant int operation [[function_constant(0)]];  // a Reduction
constant int x_type [[function_constant(1)]];
constant int output_type [[function_constant(2)]];

struct ReduceParams {
  long output_strides[max_rank];  // in x, along the kept axes
  long reduce_strides[max_rank];  // in x, along the reduced axes
  uint output_shape[max_rank];
  uint reduce_shape[max_rank];
  uint output_rank;
  uint reduce_rank;
  uint output_size;
  uint reduce_size;
};

inline float plus(float a, float b) { return a + b; }
inline int plus(int a, int b) { return int(uint(a) + uint(b)); }
inline float times(float a, float b) { return a * b; }
inline int times(int a, int b) { return int(uint(a) * uint(b)); }
inline float larger(float a, float b) { return isnan(a) || a > b ? a : b; }
inline int larger(int a, int b) { return max(a, b); }
inline float smaller(float a, float b) { return isnan(a) || a < b ? a : b; }
inline int smaller(int a, int b) { return min(a, b); }

// Maximum and minimum start from the first element, which does not change the result.
template <typename Value>
inline Value neutral(Value first) {
  switch (Reduction(operation)) {
    case Reduction::sum: case Reduction::mean: case Reduction::any: return Value(0);
    case Reduction::prod: case Reduction::all: return Value(1);
    default: return first;
  }
}

template <typename Value>
inline Value combine(Value a, Value b) {
  switch (Reduction(operation)) {
    case Reduction::sum: case Reduction::mean: return plus(a, b);
    case Reduction::prod: return times(a, b);
    case Reduction::max: return larger(a, b);
    case Reduction::min: return smaller(a, b);
    case Reduction::all: return Value(a != Value(0) && b != Value(0));
    default: return Value(a != Value(0) || b != Value(0));
  }
}

// Reduces elements `first`, `first + step`, … of the slice that starts at `base`.
template <typename Value>
inline Value reduce_slice(device const uchar* x, constant ReduceParams& params, ulong base, uint first, uint step) {
  Value value = neutral(load_element<Value>(x, x_type, base));
  for (uint i = first; i < params.reduce_size; i += step) {
    const ulong at = base + strided_offset(i, params.reduce_rank, params.reduce_shape, params.reduce_strides);
    value = combine(value, load_element<Value>(x, x_type, at));
  }
  return value;
}

template <typename Value>
inline void store_result(device uchar* output, constant ReduceParams& params, uint index, Value value) {
  if (Reduction(operation) == Reduction::mean) value = Value(value / Value(params.reduce_size));
  store_element(output, output_type, index, value);
}

// One threadgroup per output.
template <typename Value>
[[kernel]] void reduce_groups(device const uchar* x [[buffer(0)]],
                              device uchar* output [[buffer(1)]],
                              constant ReduceParams& params [[buffer(2)]],
                              uint group [[threadgroup_position_in_grid]],
                              uint thread_index [[thread_index_in_threadgroup]],
                              uint threads [[threads_per_threadgroup]]) {
  threadgroup Value partial[256];
  const ulong base = strided_offset(group, params.output_rank, params.output_shape, params.output_strides);
  partial[thread_index] = reduce_slice<Value>(x, params, base, thread_index, threads);
  for (uint half_threads = threads / 2; half_threads > 0; half_threads /= 2) {  // threads is a power of two
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (thread_index < half_threads) {
      partial[thread_index] = combine(partial[thread_index], partial[thread_index + half_threads]);
    }
  }
  if (thread_index == 0) store_result(output, params, group, partial[0]);
}

// One thread per output: for short slices, and if neighbouring outputs read neighbouring elements.
template <typename Value>
[[kernel]] void reduce_threads(device const uchar* x [[buffer(0)]],
                               device uchar* output [[buffer(1)]],
                               constant ReduceParams& params [[buffer(2)]],
                               uint position [[thread_position_in_grid]],
                               uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.output_size; i += threads) {
    const ulong base = strided_offset(i, params.output_rank, params.output_shape, params.output_strides);
    store_result(output, params, i, reduce_slice<Value>(x, params, base, 0, 1));
  }
}

#define instantiate_reduce(type)                                                      \
  template [[host_name("reduce_groups_" #type)]] [[kernel]] void reduce_groups<type>( \
      device const uchar*, device uchar*, constant ReduceParams&, uint, uint, uint);  \
  template [[host_name("reduce_threads_" #type)]] [[kernel]] void reduce_threads<type>( \
      device const uchar*, device uchar*, constant ReduceParams&, uint, uint);

instantiate_reduce(float)
instantiate_reduce(int)
