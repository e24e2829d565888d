#pragma once
// Launches of attention_prefill.cuh, instantiated by head size and type in attention_prefill_*.cu.

#include "attention/attention_prefill.h"
#include "attention/attention_prefill.cuh"

namespace attention {

template <typename T, int HeadSize, TileSize Size, Modifiers Modified, bool Vllm>
void launch_prefill_tiles(const LaunchContext& context, const AttentionParams& params, bool all) {
  using Tile = PrefillTile<HeadSize, Size>;
  const int64_t tiles = count_tiles(params, params.heads / params.kv_heads, Tile::rows);
  launch(context, attention_prefill_kernel<T, HeadSize, Size, Modified, Vllm>,
         {.blocks = tiles * params.kv_heads,
          .threads = unsigned(Tile::threads),
          .shared_bytes = sizeof(PrefillMemory<Tile>)},
         params, (Modified == Modifiers::softcap ? params.softcap : params.scale) * log2_e, int(tiles), all);
}

/// What should be fastest has kernels of its own.
template <typename T, int HeadSize>
void launch_prefill(const LaunchContext& context, const AttentionParams& params, TileSize size, bool all) {
  const bool vllm = params.block_tables && params.vllm_layout;
  const bool softcap = params.softcap > 0.0f;
  const bool positive = params.scale > 0.0f && !params.mask;
  const bool plain = positive && !softcap && !params.alibi_slopes;
  if (size == TileSize::large && !vllm && positive && softcap && !params.alibi_slopes) {
    return launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::softcap, false>(context, params, all);
  }
  if (size == TileSize::large && !vllm && positive && !softcap && params.alibi_slopes) {
    return launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::alibi, false>(context, params, all);
  }
  with_flag(vllm, [&](auto is_vllm) {
    constexpr bool vllm = is_vllm.value;
    if (size == TileSize::small) {
      return launch_prefill_tiles<T, HeadSize, TileSize::small, Modifiers::any, vllm>(context, params, all);
    }
    if constexpr (has_medium_tiles(HeadSize)) {
      if (size == TileSize::medium) {
        if (plain && !vllm) {
          return launch_prefill_tiles<T, HeadSize, TileSize::medium, Modifiers::none, false>(context, params, all);
        }
        return launch_prefill_tiles<T, HeadSize, TileSize::medium, Modifiers::any, vllm>(context, params, all);
      }
    }
    if (plain) return launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::none, vllm>(context, params, all);
    launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::any, vllm>(context, params, all);
  });
}

}  // namespace attention
