#pragma once
// Index arithmetic for tensors of any shape and strides.

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "common/error.h"

namespace attention {

constexpr int max_rank = 6;

/// One number per axis. Entries beyond a tensor's rank are not read.
using Axes = int64_t[max_rank];

/// Division of 31-bit numbers by an invariant, as a multiplication and a shift (Granlund and Montgomery, 1994).
struct FastDivisor {
  uint32_t divisor = 1;
  uint32_t factor = 1;
  uint32_t shift = 0;

  FastDivisor() = default;
  explicit FastDivisor(uint32_t value) : divisor(value) {
    while (shift < 32 && (uint64_t(1) << shift) < divisor) shift++;
    factor = uint32_t(((uint64_t(1) << 32) * ((uint64_t(1) << shift) - divisor)) / divisor + 1);
  }

  __device__ __forceinline__ uint32_t quotient(uint32_t dividend) const {
    return (uint32_t((uint64_t(dividend) * factor) >> 32) + dividend) >> shift;
  }
};

/// Not inlined: it is rarely called, and long.
__device__ __noinline__ inline int64_t divide_wide(int64_t dividend, int64_t divisor) { return dividend / divisor; }

/// Splits a position into quotient and remainder, in 32-bit arithmetic if all positions fit.
struct Divisor {
  int64_t divisor = 1;
  FastDivisor fast;
  bool wide = false;

  Divisor() = default;
  Divisor(int64_t value, int64_t positions) : divisor(value), wide(positions > INT32_MAX || value > INT32_MAX) {
    if (!wide) fast = FastDivisor(uint32_t(value));
  }

  __device__ __forceinline__ int64_t split(int64_t position, int64_t& remainder) const {
    const int64_t quotient = wide ? divide_wide(position, divisor) : int64_t(fast.quotient(uint32_t(position)));
    remainder = position - quotient * divisor;
    return quotient;
  }
};

/// Maps positions 0, 1, … of a row-major shape to offsets in several tensors. A stride of 0 broadcasts, a negative one
/// runs backwards. Axes are stored last to first, so that unrolled device code indexes them with constants.
template <int Tensors>
struct Walk {
  int rank = 0;
  bool wide = false;  // positions need 64 bits
  int64_t size = 1;
  int64_t shape[max_rank] = {};
  FastDivisor divisors[max_rank];
  int64_t strides[Tensors][max_rank] = {};

  __device__ __forceinline__ void offsets(int64_t position, int64_t (&to)[Tensors]) const {
#pragma unroll
    for (int tensor = 0; tensor < Tensors; tensor++) to[tensor] = 0;
#pragma unroll
    for (int axis = 0; axis < max_rank; axis++) {
      if (axis >= rank) break;
      int64_t rest = 0;
      if (axis < rank - 1) {
        rest = wide ? divide_wide(position, shape[axis]) : int64_t(divisors[axis].quotient(uint32_t(position)));
      }
      const int64_t coordinate = position - rest * shape[axis];
#pragma unroll
      for (int tensor = 0; tensor < Tensors; tensor++) to[tensor] += coordinate * strides[tensor][axis];
      position = rest;
    }
  }
};

/// Calls `body` with positions of a walk and their offsets. A thread takes `PerThread` positions, blockDim.x apart.
template <int PerThread, int Tensors, typename Body>
__device__ __forceinline__ void walk_apart(const Walk<Tensors>& walk, Body&& body) {
  const int64_t start = int64_t(blockIdx.x) * blockDim.x * PerThread + threadIdx.x;
  const int64_t end = min(start + int64_t(blockDim.x) * PerThread, walk.size);
#pragma unroll 1
  for (int64_t position = start; position < end; position += blockDim.x) {
    int64_t offsets[Tensors];
    walk.offsets(position, offsets);
    body(position, offsets);
  }
}

inline void check_rank(int rank) {
  if (rank >= 0 && rank <= max_rank) return;
  throw DeviceError("ERR_RANGE", "expected at most " + std::to_string(max_rank) + " axes, received " +
                                     std::to_string(rank));
}

/// The number of elements of a shape. Throws ERR_RANGE for an invalid shape.
inline int64_t size_of(int rank, const int64_t* shape) {
  check_rank(rank);
  int64_t size = 1;
  for (int axis = 0; axis < rank; axis++) {
    const int64_t length = shape[axis];
    if (length < 0 || (size > 0 && length > INT64_MAX / size)) {
      throw DeviceError("ERR_RANGE", "expected axes of at least 0 and less than 2^63 elements, received an axis of " +
                                         std::to_string(length));
    }
    size *= length;
  }
  return size;
}

/// Makes a walk over `shape`, which has no empty axis.
template <int Tensors>
Walk<Tensors> make_walk(int rank, const int64_t* shape, const int64_t* const (&strides)[Tensors]) {
  Walk<Tensors> walk;
  walk.rank = rank;
  walk.size = size_of(rank, shape);
  walk.wide = walk.size > INT32_MAX;
  for (int axis = 0; axis < walk.rank; axis++) {
    const int from = walk.rank - 1 - axis;
    walk.shape[axis] = shape[from];
    if (!walk.wide) walk.divisors[axis] = FastDivisor(uint32_t(shape[from]));
    for (int tensor = 0; tensor < Tensors; tensor++) walk.strides[tensor][axis] = strides[tensor][from];
  }
  if (walk.rank == 0) walk.shape[0] = 1;  // a row of one element
  return walk;
}

/// Whether packs of `n` adjacent positions never cross the end of a row, and start at multiples of `n` in this tensor.
template <int Tensors>
bool is_packed(const Walk<Tensors>& walk, int tensor, int n) {
  if (walk.rank <= 1) return true;
  if (walk.shape[0] % n != 0) return false;
  for (int axis = 1; axis < walk.rank; axis++) {
    if (walk.strides[tensor][axis] % n != 0) return false;
  }
  return true;
}

}  // namespace attention
