#pragma once
// Where keys and values lie. A paged cache in layout flash is [blocks, block_size, Hkv, D] for both; in layout vllm keys
// are [blocks, Hkv, D / x, block_size, x] with x = 16 / bytes of an element, and values [blocks, Hkv, D, block_size].
// Offsets are 64-bit: caches pass 2^31 elements.

#include <cstdint>

namespace attention {

struct CacheSizes {
  int num_blocks;
  int block_size;
  int kv_heads;
  int head_size;
};

/// Element 0 of a head at a slot of layout flash; the head's elements follow each other.
__device__ __forceinline__ int64_t flash_offset(const CacheSizes& sizes, int block, int offset, int kv_head) {
  return ((int64_t(block) * sizes.block_size + offset) * sizes.kv_heads + kv_head) * sizes.head_size;
}

/// Element `d` of a key of layout vllm, `chunk` elements of which lie together.
__device__ __forceinline__ int64_t vllm_key_offset(const CacheSizes& sizes, int block, int offset, int kv_head, int d,
                                                   int chunk) {
  const int64_t head = (int64_t(block) * sizes.kv_heads + kv_head) * sizes.head_size * sizes.block_size;
  return head + (int64_t(d / chunk) * sizes.block_size + offset) * chunk + d % chunk;
}

/// Element `d` of a value of layout vllm; that of the next slot follows.
__device__ __forceinline__ int64_t vllm_value_offset(const CacheSizes& sizes, int block, int offset, int kv_head,
                                                     int d) {
  const int64_t head = (int64_t(block) * sizes.kv_heads + kv_head) * sizes.head_size * sizes.block_size;
  return head + int64_t(d) * sizes.block_size + offset;
}

}  // namespace attention
