#include "cache/reshape_and_cache.h"

#include "cache/reshape_and_cache.cuh"

namespace attention {
namespace {

constexpr int max_threads = 256;
constexpr int vllm_tokens = 16;  // of a block: neighbouring slots share sectors

template <typename T, typename C>
void launch_types(const LaunchContext& context, const ReshapeAndCacheParams& params) {
  const int packs_per_row = params.kv_heads * params.head_size / pack_size<C>;
  if (params.vllm_layout) {
    const CacheSizes sizes = {params.num_blocks, params.block_size, params.kv_heads, params.head_size};
    const int columns = max_threads / vllm_tokens;
    launch(context, cache_vllm_kernel<T, C>,
           {.blocks = {divide_up(params.tokens, vllm_tokens), divide_up(packs_per_row, columns)},
            .threads = dim3(vllm_tokens, columns)},
           params.key.as<T>(), params.value.as<T>(), params.key_cache.as<C>(), params.value_cache.as<C>(),
           params.slot_mapping.as<int>(), params.tokens, sizes);
    return;
  }
  const int threads = divide_up(packs_per_row, divide_up(packs_per_row, max_threads));
  const int rows = max_threads / threads;
  launch(context, cache_flash_kernel<T, C>,
         {.blocks = {divide_up(params.tokens, rows * cached_tokens_per_thread), divide_up(packs_per_row, threads)},
          .threads = dim3(threads, rows)},
         params.key.as<T>(), params.value.as<T>(), params.key_cache.as<C>(), params.value_cache.as<C>(),
         params.slot_mapping.as<int>(), params.tokens, int64_t(params.num_blocks) * params.block_size, packs_per_row);
}

}  // namespace

void reshape_and_cache(const LaunchContext& context, const ReshapeAndCacheParams& params) {
  if (params.tokens == 0 || params.num_blocks == 0 || params.kv_heads == 0) return;
  with_float_type(params.key_cache.type, [&](auto tag) {
    using C = typename decltype(tag)::type;
    if (params.key.type == ElementType::float32) return launch_types<float, C>(context, params);
    launch_types<C, C>(context, params);
  });
}

}  // namespace attention
