#pragma once
// Keys and values of a step's tokens into their slots. A row is the heads of a token, its packs are 16 bytes of a cache.

#include "cache/cache_layout.cuh"
#include "common/convert.cuh"

namespace attention {

constexpr int cached_tokens_per_thread = 2;

/// The elements of a pack, in the type of the cache.
template <typename C, typename T, int N>
__device__ __forceinline__ Pack<C, N> convert_pack(const Pack<T, N>& from) {
  if constexpr (std::is_same_v<C, T>) {
    return from;
  } else {
    Pack<C, N> to;
#pragma unroll
    for (int i = 0; i < N; i++) to.elements[i] = from_float<C>(to_float(from.elements[i]));
    return to;
  }
}

/// Layout flash. Threads along x and blocks along y are the packs of a row; threads along y and blocks along x tokens.
template <typename T, typename C>
__global__ void cache_flash_kernel(const T* __restrict__ key, const T* __restrict__ value, C* __restrict__ key_cache,
                                   C* __restrict__ value_cache, const int* __restrict__ slot_mapping, int tokens,
                                   int64_t slots, int packs_per_row) {
  constexpr int N = pack_size<C>;
  constexpr int Tokens = cached_tokens_per_thread;
  const int column = blockIdx.y * blockDim.x + threadIdx.x;
  if (column >= packs_per_row) return;
  const int first = blockIdx.x * (blockDim.y * Tokens) + threadIdx.y;
  Pack<T, N> keys[Tokens];
  Pack<T, N> values[Tokens];
  int slots_of[Tokens];
#pragma unroll
  for (int i = 0; i < Tokens; i++) {
    const int token = first + i * blockDim.y;
    if (token >= tokens) break;
    const int64_t pack = int64_t(token) * packs_per_row + column;
    keys[i] = reinterpret_cast<const Pack<T, N>*>(key)[pack];
    values[i] = reinterpret_cast<const Pack<T, N>*>(value)[pack];
    slots_of[i] = slot_mapping[token];
  }
#pragma unroll
  for (int i = 0; i < Tokens; i++) {
    const int token = first + i * blockDim.y;
    if (token >= tokens) break;
    const int slot = slots_of[i];
    if (slot < 0 || slot >= slots) continue;
    const int64_t pack = int64_t(slot) * packs_per_row + column;
    reinterpret_cast<Pack<C, N>*>(key_cache)[pack] = convert_pack<C>(keys[i]);
    reinterpret_cast<Pack<C, N>*>(value_cache)[pack] = convert_pack<C>(values[i]);
  }
}

/// Layout vllm, whose neighbours are elements of neighbouring slots. Threads along x and blocks along x are tokens, threads
/// along y and blocks along y the packs of a row.
template <typename T, typename C>
__global__ void cache_vllm_kernel(const T* __restrict__ key, const T* __restrict__ value, C* __restrict__ key_cache,
                                  C* __restrict__ value_cache, const int* __restrict__ slot_mapping, int tokens,
                                  CacheSizes sizes) {
  constexpr int N = pack_size<C>;
  const int packs_per_row = sizes.kv_heads * sizes.head_size / N;
  const int token = blockIdx.x * blockDim.x + threadIdx.x;
  const int column = blockIdx.y * blockDim.y + threadIdx.y;
  if (token >= tokens || column >= packs_per_row) return;
  const int64_t pack = int64_t(token) * packs_per_row + column;
  const Pack<T, N> keys = reinterpret_cast<const Pack<T, N>*>(key)[pack];
  const Pack<T, N> values = reinterpret_cast<const Pack<T, N>*>(value)[pack];
  const int slot = slot_mapping[token];
  if (slot < 0 || slot >= int64_t(sizes.num_blocks) * sizes.block_size) return;
  const int block = slot / sizes.block_size;
  const int offset = slot % sizes.block_size;
  const int head = column * N / sizes.head_size;
  const int d = column * N % sizes.head_size;
  *reinterpret_cast<Pack<C, N>*>(key_cache + vllm_key_offset(sizes, block, offset, head, d, N)) =
      convert_pack<C>(keys);
  const Pack<C, N> stored = convert_pack<C>(values);
  C* to = value_cache + vllm_value_offset(sizes, block, offset, head, d);
#pragma unroll
  for (int i = 0; i < N; i++) to[i * sizes.block_size] = stored.elements[i];
}

}  // namespace attention
