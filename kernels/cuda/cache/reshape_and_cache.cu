#include "common/operation.h"
#include "cache/reshape_and_cache.cuh"

namespace attention {

struct ReshapeAndCacheParams {
  Operand key;                     // [tokens, kv_heads, head_size], float32 or the type of the caches
  Operand value;                   // like key
  Operand key_cache;               // see cache_layout.cuh
  Operand value_cache;             // the type of key_cache
  TypedOperand<int> slot_mapping;  // [tokens], int32
  int tokens;
  int num_blocks;
  int block_size;
  int kv_heads;
  int head_size;
  bool32 vllm_layout;
};

namespace {

constexpr int max_threads = 256;
constexpr int vllm_tokens = 16;  // per thread block: neighbouring slots share memory sectors

template <typename T, typename C>
void launch_types(const LaunchContext& context, const ReshapeAndCacheParams& params) {
  const int64_t packs = int64_t(params.kv_heads) * params.head_size / pack_size<C>;
  expect_size("kvHeads * headSize, in pieces of 16 bytes", packs, 1, INT32_MAX);
  const int packs_per_row = int(packs);
  if (params.vllm_layout) {
    const CacheSizes sizes = {params.num_blocks, params.block_size, params.kv_heads, params.head_size};
    const int columns = max_threads / vllm_tokens;
    launch(context, cache_vllm_kernel<T, C>,
           {.blocks = {divide_up(params.tokens, vllm_tokens), divide_up(packs_per_row, columns)},
            .threads = dim3(vllm_tokens, columns)},
           params.key.as<T>(), params.value.as<T>(), params.key_cache.as<C>(), params.value_cache.as<C>(),
           params.slot_mapping, params.tokens, sizes);
    return;
  }
  const int threads = divide_up(packs_per_row, divide_up(packs_per_row, max_threads));
  const int rows = max_threads / threads;
  launch(context, cache_flash_kernel<T, C>,
         {.blocks = {divide_up(params.tokens, rows * cached_tokens_per_thread), divide_up(packs_per_row, threads)},
          .threads = dim3(threads, rows)},
         params.key.as<T>(), params.value.as<T>(), params.key_cache.as<C>(), params.value_cache.as<C>(),
         params.slot_mapping, params.tokens, int64_t(params.num_blocks) * params.block_size, packs_per_row);
}

}  // namespace

/// Stores each token's key and value in its slot. A token whose slot is outside the cache is skipped.
void reshape_and_cache(const LaunchContext& context, const ReshapeAndCacheParams& params) {
  if (params.tokens == 0 || params.num_blocks == 0) return;
  expect_positive("blockSize", params.block_size);
  with_float_type(params.key_cache.type, [&](auto tag) {
    using C = typename decltype(tag)::type;
    if (params.key.type == ElementType::float32) return launch_types<float, C>(context, params);
    launch_types<C, C>(context, params);
  });
}

ATTENTION_OPERATION(reshape_and_cache, ReshapeAndCacheParams, key, value, key_cache, value_cache, slot_mapping,
                    tokens, num_blocks, block_size, kv_heads, head_size, vllm_layout)

}  // namespace attention
