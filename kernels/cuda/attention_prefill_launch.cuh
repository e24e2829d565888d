#pragma once
// Launches of attention_prefill.cuh, instantiated by head size and type in attention_prefill_*.cu.

#include "attention_prefill.h"
#include "attention_prefill.cuh"

namespace attention {

template <typename T, int HeadSize, bool Large, bool Plain, bool Vllm>
void launch_prefill_tiles(const LaunchContext& context, const AttentionParams& params, bool all) {
  using Tile = PrefillTile<HeadSize, Large>;
  const int64_t tiles = count_tiles(params, params.heads / params.kv_heads, Tile::rows);
  launch(context, attention_prefill_kernel<T, HeadSize, Large, Plain, Vllm>,
         {.blocks = unsigned(tiles * params.kv_heads),
          .threads = unsigned(Tile::threads),
          .shared_bytes = sizeof(PrefillMemory<Tile>)},
         params, params.scale * log2_e, int(tiles), all);
}

/// Only what should be fastest has a kernel without modifiers of the scores.
template <typename T, int HeadSize>
void launch_prefill(const LaunchContext& context, const AttentionParams& params, bool large, bool all) {
  const bool plain = params.scale > 0.0f && !(params.softcap > 0.0f) && !params.alibi_slopes && !params.mask;
  const bool vllm = params.block_tables && params.vllm_layout;
  if (large && plain && !vllm) return launch_prefill_tiles<T, HeadSize, true, true, false>(context, params, all);
  with_flag(vllm, [&](auto is_vllm) {
    if (large) return launch_prefill_tiles<T, HeadSize, true, false, is_vllm.value>(context, params, all);
    launch_prefill_tiles<T, HeadSize, false, false, is_vllm.value>(context, params, all);
  });
}

}  // namespace attention
