#pragma once

#include "common/convert.cuh"

namespace attention {

/// Adds the topk rows of each token in `products` [tokens, topk, hidden], in order, N elements per thread.
template <int N, typename T>
__global__ void fused_moe_sum_kernel(const float* __restrict__ products, T* __restrict__ output, int64_t packs,
                                     int packs_per_row, int topk) {
  const int64_t pack = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  const int64_t token = pack / packs_per_row;
  const int64_t stride = int64_t(packs_per_row) * N;
  const float* from = products + token * topk * stride + (pack - token * packs_per_row) * N;
  float sums[N] = {};
#pragma unroll 4
  for (int i = 0; i < topk; i++) {
    float addends[N];
    load_pack<N>(addends, from + i * stride);
#pragma unroll
    for (int j = 0; j < N; j++) sums[j] += addends[j];
  }
  store_pack<N>(output + pack * N, sums);
}

}  // namespace attention
