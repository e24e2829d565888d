#pragma once
#include "attention/attention.h"

/// Keys and values of one sequence and KV head in a paged cache, located through the sequence's row of the block table.
///
/// Layout flash: both [blocks, block_size, kv_heads, head_size]. Layout vllm: keys [blocks, kv_heads, head_size / x,
/// block_size, x] with x = 16 / sizeof(T), values [blocks, kv_heads, head_size, block_size].
template <typename T>
struct PagedKeyValue {
  device const T* key_cache;
  device const T* value_cache;
  device const int* block_table;
  int kv_head;
  int kv_heads;
  int num_blocks;
  int block_size;
  int max_blocks;
  int context_length;

  int capacity() const { return max_blocks * block_size; }
  int first_key() const { return 0; }

  /// The block that holds a key, or bad_block if the block table has no valid entry for it.
  int block(int position) const {
    const int index = position / block_size;
    if (index >= max_blocks) return bad_block;
    const int entry = block_table[index];
    return entry >= 0 && entry < num_blocks ? entry : bad_block;
  }

  /// Four elements of the key at `position`, which lies in `block`; `d` is a multiple of 4.
  device const T* key4(int block, int position, int d) const {
    if (!vllm_layout) return key_cache + flash_offset(block, position) + d;
    constexpr int x = 16 / sizeof(T);
    return key_cache + vllm_offset(block) + (d / x * block_size + position % block_size) * x + d % x;
  }

  /// Four elements of a value in layout flash.
  device const T* value4(int block, int position, int d) const {
    return value_cache + flash_offset(block, position) + d;
  }

  /// One element of a value in layout vllm, where values of consecutive keys are adjacent.
  device const T* value1(int block, int position, int d) const {
    return value_cache + vllm_offset(block) + d * block_size + position % block_size;
  }

  long flash_offset(int block, int position) const {
    return ((long(block) * block_size + position % block_size) * kv_heads + kv_head) * head_size;
  }

  long vllm_offset(int block) const { return (long(block) * kv_heads + kv_head) * head_size * block_size; }
};
