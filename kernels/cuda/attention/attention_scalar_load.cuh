#pragma once
// Loads keys and values into shared memory, as float32, for attention on CUDA cores.

#include "attention/attention_rows.cuh"
#include "cache/cache_layout.cuh"
#include "common/convert.cuh"

namespace attention {

constexpr int scalar_threads = 128;
constexpr int scalar_chunk = 64;                   // elements of a head that are loaded at once
constexpr int scalar_stride = scalar_chunk + 4;    // of a key in shared memory; the padding avoids bank conflicts
constexpr int scalar_columns = scalar_chunk / 4;  // threads along a chunk, 4 elements each

/// The location of a key: its block and its offset in the block.
struct KeySlot {
  int block;
  int offset;
};
constexpr int bad_block = -1;  // the key exists, but its block table entry is out of range
constexpr int no_key = -2;     // the key is outside the split

__device__ __forceinline__ KeySlot find_slot(const AttentionParams& params, int sequence, int first_key,
                                             int position) {
  if (!params.block_tables) return {first_key + position, 0};
  return {cache_block(params, sequence, position / params.block_size), position % params.block_size};
}

/// The loads of a thread for one chunk of a tile; `batch` of them are in flight at once.
template <int Keys, typename T>
struct ScalarLoads {
  static constexpr int count = Keys * scalar_chunk / pack_size<T> / scalar_threads;
  static constexpr int batch = count < 4 ? count : 4;
  static_assert(count % batch == 0 && count * pack_size<T> * scalar_threads == Keys * scalar_chunk);
};

/// Loads elements [first_d, first_d + width) of the keys or values of a tile, whose elements lie in packs of 16 bytes
/// (all but values of layout vllm). Missing keys become zeros.
template <int Keys, bool VllmKeys, typename T>
__device__ __forceinline__ void load_heads(float* to, const T* cache, const CacheSizes& sizes, const KeySlot* slots,
                                           int kv_head, int first_d, int width) {
  using Loads = ScalarLoads<Keys, T>;
  constexpr int n = pack_size<T>;
  constexpr int packs = scalar_chunk / n;
#pragma unroll 1
  for (int first = 0; first < Loads::count; first += Loads::batch) {
    Pack<T, n> loaded[Loads::batch];
    int targets[Loads::batch];
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      const int i = threadIdx.x + (first + load) * scalar_threads;
      // Adjacent lanes read adjacent packs.
      const int key = VllmKeys ? i % Keys : i / packs;
      const int d = (VllmKeys ? i / Keys : i % packs) * n;
      const KeySlot slot = slots[key];
      const int64_t offset =
          VllmKeys ? vllm_key_offset(sizes, slot.block, slot.offset, kv_head, first_d + d, n)
                   : flash_offset(sizes, slot.block, slot.offset, kv_head) + first_d + d;
      loaded[load] = {};
      if (d < width && slot.block >= 0) loaded[load] = *reinterpret_cast<const Pack<T, n>*>(cache + offset);
      targets[load] = d < width ? key * scalar_stride + d : -1;
    }
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      float elements[n];
#pragma unroll
      for (int j = 0; j < n; j++) elements[j] = to_float(loaded[load].elements[j]);
      if (targets[load] >= 0) store_pack<n>(to + targets[load], elements);
    }
  }
}

/// The same for values of layout vllm, in which the same element of adjacent slots is contiguous.
template <int Keys, typename T>
__device__ __forceinline__ void load_vllm_values(float* to, const T* cache, const CacheSizes& sizes,
                                                 const KeySlot* slots, int kv_head, int first_d, int width) {
  using Loads = ScalarLoads<Keys, T>;
  constexpr int n = pack_size<T>;
#pragma unroll 1
  for (int first = 0; first < Loads::count; first += Loads::batch) {
    Pack<T, n> loaded[Loads::batch];
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      const int i = threadIdx.x + (first + load) * scalar_threads;
      const int d = i % scalar_chunk;
      const int key = i / scalar_chunk * n;  // the first of n keys in one block, any of which may be missing
      KeySlot slot = slots[key];
#pragma unroll
      for (int k = 1; k < n; k++) {
        const KeySlot other = slots[key + k];
        if (other.block >= 0) slot = {other.block, other.offset - k};
      }
      loaded[load] = {};
      if (d < width && slot.block >= 0) {
        const int64_t offset = vllm_value_offset(sizes, slot.block, slot.offset, kv_head, first_d + d);
        loaded[load] = *reinterpret_cast<const Pack<T, n>*>(cache + offset);
      }
    }
#pragma unroll
    for (int load = 0; load < Loads::batch; load++) {
      const int i = threadIdx.x + (first + load) * scalar_threads;
      const int d = i % scalar_chunk;
      const int key = i / scalar_chunk * n;
      if (d >= width) continue;
#pragma unroll
      for (int k = 0; k < n; k++) {
        to[(key + k) * scalar_stride + d] = slots[key + k].block >= 0 ? to_float(loaded[load].elements[k]) : 0.0f;
      }
    }
  }
}

}  // namespace attention
