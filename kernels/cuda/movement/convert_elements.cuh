#pragma once
// Converts elements from one type to another, for cast_storage and assign_storage.

#include "common/convert.cuh"

namespace attention {

constexpr int convert_threads = 256;
constexpr int convert_packs = 2;  // per thread, all loaded before the first store

/// `from` and `to` may be the same memory.
template <typename From, typename To>
__global__ void convert_elements_kernel(const From* from, To* to, int64_t count) {
  constexpr int N = 16 / int(sizeof(From) < sizeof(To) ? sizeof(From) : sizeof(To));
  const int64_t first = int64_t(blockIdx.x) * (convert_threads * convert_packs) + threadIdx.x;
  float elements[convert_packs][N];
#pragma unroll
  for (int i = 0; i < convert_packs; i++) {
    const int64_t start = (first + i * convert_threads) * N;
    if (start + N <= count) load_pack<N>(elements[i], from + start);
  }
#pragma unroll
  for (int i = 0; i < convert_packs; i++) {
    const int64_t start = (first + i * convert_threads) * N;
    if (start + N <= count) {
      store_pack<N>(to + start, elements[i]);
    } else {
      for (int64_t j = start; j < count; j++) to[j] = from_float<To>(to_float(from[j]));
    }
  }
}

}  // namespace attention
