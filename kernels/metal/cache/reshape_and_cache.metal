// Writes the keys and values of a step's tokens into their cache slots. Each threadgroup writes one token; a token
// whose slot is out of range is skipped.
#include "common/pack.h"

constant bool vllm_layout [[function_constant(0)]];

struct ReshapeAndCacheParams {
  uint num_blocks;
  uint block_size;
  uint num_kv_heads;
  uint head_size;
};

constant constexpr int elements_per_access = 8;  // divides every head size

template <typename T, typename C>
[[kernel]] void reshape_and_cache(device const T* key [[buffer(0)]],
                                  device const T* value [[buffer(1)]],
                                  device C* key_cache [[buffer(2)]],
                                  device C* value_cache [[buffer(3)]],
                                  device const int* slot_mapping [[buffer(4)]],
                                  constant ReshapeAndCacheParams& params [[buffer(5)]],
                                  uint token [[threadgroup_position_in_grid]],
                                  uint thread_index [[thread_position_in_threadgroup]],
                                  uint num_threads [[threads_per_threadgroup]]) {
  constexpr int N = elements_per_access;
  const int slot = slot_mapping[token];
  const ulong num_slots = ulong(params.num_blocks) * params.block_size;
  if (slot < 0 || ulong(slot) >= num_slots) return;

  const uint row_length = params.num_kv_heads * params.head_size;
  const uint block = uint(slot) / params.block_size;
  const uint offset = uint(slot) % params.block_size;
  device const T* key_row = key + ulong(token) * row_length;
  device const T* value_row = value + ulong(token) * row_length;
  for (uint i = thread_index * N; i < row_length; i += num_threads * N) {
    C keys[N];
    C values[N];
    load_pack<N>(keys, key_row + i);
    load_pack<N>(values, value_row + i);
    if (vllm_layout) {
      // Keys [blocks, heads, head_size / x, block_size, x], values [blocks, heads, head_size, block_size].
      constexpr int x = 16 / sizeof(C);
      const uint head = i / params.head_size;
      const uint d = i % params.head_size;
      const ulong first = ((ulong(block) * params.num_kv_heads + head) * params.head_size + d) * params.block_size;
      for (int j = 0; j < N; j += x) {
        store_pack<x>(key_cache + first + j * params.block_size + offset * x, keys + j);
      }
      for (int j = 0; j < N; j++) value_cache[first + j * params.block_size + offset] = values[j];
    } else {
      const ulong first = ulong(slot) * row_length + i;
      store_pack<N>(key_cache + first, keys);
      store_pack<N>(value_cache + first, values);
    }
  }
}

#define instantiate_reshape_and_cache(type, cache_type)                                               \
  template [[host_name("reshape_and_cache_" #type "_" #cache_type)]] [[kernel]] void                  \
  reshape_and_cache<type, cache_type>(device const type*, device const type*, device cache_type*,     \
                                      device cache_type*, device const int*,                          \
                                      constant ReshapeAndCacheParams&, uint, uint, uint);

instantiate_reshape_and_cache(float, float)
instantiate_reshape_and_cache(float, half)
instantiate_reshape_and_cache(float, bfloat)
instantiate_reshape_and_cache(half, half)
instantiate_reshape_and_cache(bfloat, bfloat)
