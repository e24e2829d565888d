#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct ReshapeAndCacheParams {
  Operand key;           // [tokens, kv_heads, head_size], float32 or the type of the caches
  Operand value;         // like key
  Operand key_cache;     // see cache_layout.cuh
  Operand value_cache;   // the type of key_cache
  Operand slot_mapping;  // [tokens], int32
  int tokens;
  int num_blocks;
  int block_size;
  int kv_heads;
  int head_size;
  bool vllm_layout;
};

/// Stores each token's key and value in its slot; a token whose slot is outside of the cache is not stored.
void reshape_and_cache(const LaunchContext& context, const ReshapeAndCacheParams& params);

}  // namespace attention
