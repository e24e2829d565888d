#pragma once
// Addresses in a paged cache. Layout flash stores keys and values as [blocks, block_size, Hkv, D]. Layout vllm stores
// keys as [blocks, Hkv, D / x, block_size, x], where x is the number of elements in 16 bytes, and values as [blocks,
// Hkv, D, block_size]. Offsets are 64-bit because caches exceed 2^31 elements.

#include <cstdint>

namespace attention {

struct CacheSizes {
  int num_blocks;
  int block_size;
  int kv_heads;
  int head_size;
};

/// Offset of element 0 of a head at a slot of layout flash. The head's elements are contiguous.
__device__ __forceinline__ int64_t flash_offset(const CacheSizes& sizes, int block, int offset, int kv_head) {
  return ((int64_t(block) * sizes.block_size + offset) * sizes.kv_heads + kv_head) * sizes.head_size;
}

/// Offset of element `d` of a key of layout vllm. `chunk` is x above.
__device__ __forceinline__ int64_t vllm_key_offset(const CacheSizes& sizes, int block, int offset, int kv_head, int d,
                                                   int chunk) {
  const int64_t head = (int64_t(block) * sizes.kv_heads + kv_head) * sizes.head_size * sizes.block_size;
  return head + (int64_t(d / chunk) * sizes.block_size + offset) * chunk + d % chunk;
}

/// Offset of element `d` of a value of layout vllm. The next slot's element is adjacent.
__device__ __forceinline__ int64_t vllm_value_offset(const CacheSizes& sizes, int block, int offset, int kv_head,
                                                     int d) {
  const int64_t head = (int64_t(block) * sizes.kv_heads + kv_head) * sizes.head_size * sizes.block_size;
  return head + int64_t(d) * sizes.block_size + offset;
}

}  // namespace attention
