#pragma once
// Writes the keys and values of a step's tokens to their cache slots. A row holds all heads of one token; a pack is 16
// bytes of the cache. Every thread loads all its packs before it stores the first.

#include "cache/cache_layout.cuh"
#include "common/convert.cuh"

namespace attention {

constexpr int cached_tokens_per_thread = 2;

/// Converts a pack to the cache's type.
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

/// Layout flash: thread x and block y select the pack, thread y and block x the token.
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

/// Layout vllm, in which neighbouring addresses belong to neighbouring slots: thread x and block x select the token,
/// thread y and block y the pack, so that the stores of a warp coalesce.
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
