#pragma once
// Reductions over any axes, by strides. A slice is the set of elements that one output element reduces. Slices whose
// elements are contiguous are reduced by rows: a warp or block shares a slice. Others are reduced by columns: adjacent
// threads take adjacent slices. The order of floating-point operations is fixed, so results are reproducible.

#include <type_traits>

#include "elementwise/binary_functions.cuh"
#include "common/block_reduce.cuh"
#include "common/element.cuh"
#include "common/strides.h"

namespace attention {

constexpr int reduce_threads = 256;

struct ReduceShape {
  Reduction operation;
  ElementType x_type;
  ElementType output_type;
  Walk<1> outputs;  // the offset in x of each output's slice
  Walk<1> reduced;  // offsets within a slice
  int64_t part;     // positions of a slice per block; `output` then holds gridDim.y results per slice
  float count;      // the divisor of a mean
};

/// The neutral element of a reduction.
template <typename Value>
__device__ __forceinline__ Value neutral_of(Reduction operation) {
  constexpr bool is_float = std::is_same_v<Value, float>;
  switch (operation) {
    case Reduction::prod:
    case Reduction::all: return Value(1);
    case Reduction::max: return is_float ? Value(-INFINITY) : Value(INT32_MIN);
    case Reduction::min: return is_float ? Value(INFINITY) : Value(INT32_MAX);
    default: return Value(0);
  }
}

#define ATTENTION_EACH(expression)                    \
  do {                                                \
    _Pragma("unroll") for (int i = 0; i < N; i++) {   \
      const Value a = totals[i];                      \
      const Value b = values[i];                      \
      totals[i] = Value(expression);                  \
    }                                                 \
    return;                                           \
  } while (false)

template <int N, typename Value>
__device__ __forceinline__ void combine(Reduction operation, Value (&totals)[N], const Value (&values)[N]) {
  constexpr Value zero = Value(0);
  switch (operation) {
    case Reduction::sum:
    case Reduction::mean: ATTENTION_EACH(add(a, b));
    case Reduction::prod: ATTENTION_EACH(multiply(a, b));
    case Reduction::max: ATTENTION_EACH(larger(a, b));
    case Reduction::min: ATTENTION_EACH(smaller(a, b));
    case Reduction::all: ATTENTION_EACH(a != zero && b != zero);
    case Reduction::any: ATTENTION_EACH(a != zero || b != zero);
  }
}

#undef ATTENTION_EACH

template <typename Value>
__device__ __forceinline__ Value combine_two(Reduction operation, Value a, Value b) {
  Value totals[1] = {a};
  const Value values[1] = {b};
  combine(operation, totals, values);
  return totals[0];
}

template <typename Value>
__device__ __forceinline__ void store_result(void* output, const ReduceShape& shape, int64_t index, Value value) {
  if (shape.operation == Reduction::mean) value = Value(float(value) / shape.count);
  store_element(output, shape.output_type, blockIdx.y * shape.outputs.size + index, value);
}

/// Combines every `step`-th position of a slice in [first, last): of N adjacent slices, or N positions of one slice.
template <int N, typename Value>
__device__ __forceinline__ void combine_slice(Value (&totals)[N], const void* x, const ReduceShape& shape, int64_t base,
                                              int64_t first, int64_t last, int64_t step) {
  constexpr int ahead = N == 1 ? 4 : 2;  // packs in flight at once
  for (int64_t position = first; position < last; position += ahead * step) {
    PendingElements<Value, N> pending[ahead];
#pragma unroll
    for (int pack = 0; pack < ahead; pack++) {
      const int64_t own = position + pack * step;
      if (own >= last) continue;
      int64_t offset[1];
      shape.reduced.offsets(own, offset);
      pending[pack].begin(x, shape.x_type, base + offset[0]);
    }
#pragma unroll
    for (int pack = 0; pack < ahead; pack++) {
      if (position + pack * step >= last) continue;
      Value values[N];
      pending[pack].finish(values, shape.x_type);
      combine(shape.operation, totals, values);
    }
  }
}

/// By rows: blockDim.x threads share a slice, in packs of N. A block has several slices only if one warp suffices for a
/// slice.
template <typename Value, int N>
__global__ void __launch_bounds__(512) reduce_rows_kernel(const void* x, void* output, const ReduceShape shape) {
  __shared__ Value warp_totals[warp_size];
  const Reduction operation = shape.operation;
  const int64_t index = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (index >= shape.outputs.size) return;
  int64_t base[1];
  shape.outputs.offsets(index, base);
  const int64_t first = blockIdx.y * shape.part;
  const int64_t last = min(first + shape.part, shape.reduced.size);
  const Value neutral = neutral_of<Value>(operation);
  Value totals[N];
#pragma unroll
  for (int i = 0; i < N; i++) totals[i] = neutral;
  combine_slice(totals, x, shape, base[0], first + int64_t(threadIdx.x) * N, last, int64_t(blockDim.x) * N);
  Value total = totals[0];
#pragma unroll
  for (int i = 1; i < N; i++) total = combine_two(operation, total, totals[i]);
#pragma unroll
  for (int lanes = warp_size / 2; lanes > 0; lanes /= 2) {
    total = combine_two(operation, total, __shfl_xor_sync(all_lanes, total, lanes));
  }
  const int warps = blockDim.x / warp_size;
  if (warps > 1) {
    if (threadIdx.x % warp_size == 0) warp_totals[threadIdx.x / warp_size] = total;
    __syncthreads();
    total = warp_totals[0];
    for (int warp = 1; warp < warps; warp++) total = combine_two(operation, total, warp_totals[warp]);
  }
  if (threadIdx.x == 0) store_result(output, shape, index, total);
}

/// By columns: a thread takes N adjacent slices, and every blockDim.y-th of their positions.
template <typename Value, int N>
__global__ void __launch_bounds__(reduce_threads)
    reduce_columns_kernel(const void* x, void* output, const ReduceShape shape) {
  __shared__ Value partial[reduce_threads * N];
  const Reduction operation = shape.operation;
  const int64_t index = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N;
  const Value neutral = neutral_of<Value>(operation);
  Value totals[N];
#pragma unroll
  for (int i = 0; i < N; i++) totals[i] = neutral;
  if (index < shape.outputs.size) {
    int64_t base[1];
    shape.outputs.offsets(index, base);
    const int64_t first = blockIdx.y * shape.part;
    const int64_t last = min(first + shape.part, shape.reduced.size);
    combine_slice(totals, x, shape, base[0], first + threadIdx.y, last, int64_t(blockDim.y));
  }
  const int own = (threadIdx.y * blockDim.x + threadIdx.x) * N;
  for (int rows = blockDim.y / 2; rows > 0; rows /= 2) {  // a power of two
#pragma unroll
    for (int i = 0; i < N; i++) partial[own + i] = totals[i];
    __syncthreads();
    if (int(threadIdx.y) < rows) {
      Value others[N];
#pragma unroll
      for (int i = 0; i < N; i++) others[i] = partial[own + rows * int(blockDim.x) * N + i];
      combine(operation, totals, others);
    }
    __syncthreads();
  }
  if (threadIdx.y > 0 || index >= shape.outputs.size) return;
#pragma unroll
  for (int i = 0; i < N; i++) store_result(output, shape, index + i, totals[i]);
}

}  // namespace attention
