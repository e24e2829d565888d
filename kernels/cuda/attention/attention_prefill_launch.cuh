#pragma once
// Launches attention_prefill.cuh. Instantiated by head size and type in attention_prefill_*.cu.

#include "attention/attention_prefill.h"
#include "attention/attention_prefill.cuh"

namespace attention {

template <typename T, int HeadSize, TileSize Size, Modifiers Modified, bool Vllm>
void launch_prefill_tiles(const LaunchContext& context, const AttentionParams& params, bool include_decodes) {
  using Tile = PrefillTile<HeadSize, Size>;
  const int64_t tiles = count_tiles(params, params.heads / params.kv_heads, Tile::rows);
  launch(context, attention_prefill_kernel<T, HeadSize, Size, Modified, Vllm>,
         {.blocks = tiles * params.kv_heads,
          .threads = unsigned(Tile::threads),
          .shared_bytes = sizeof(PrefillMemory<Tile>)},
         params, (Modified == Modifiers::softcap ? params.softcap : params.scale) * log2_e, int(tiles), include_decodes);
}

/// The most common cases have specialized kernels; the rest share `Modifiers::any`.
template <typename T, int HeadSize>
void launch_prefill(const LaunchContext& context, const AttentionParams& params, TileSize size, bool include_decodes) {
  const bool vllm = params.block_tables && params.vllm_layout;
  const bool softcap = params.softcap > 0.0f;
  const bool positive = params.scale > 0.0f && !params.mask;
  const bool plain = positive && !softcap && !params.alibi_slopes;
  if (size == TileSize::large && !vllm && positive && softcap && !params.alibi_slopes) {
    return launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::softcap, false>(context, params,
                                                                                         include_decodes);
  }
  if (size == TileSize::large && !vllm && positive && !softcap && params.alibi_slopes) {
    return launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::alibi, false>(context, params,
                                                                                       include_decodes);
  }
  with_flag(vllm, [&](auto is_vllm) {
    constexpr bool vllm = is_vllm.value;
    if (size == TileSize::small) {
      return launch_prefill_tiles<T, HeadSize, TileSize::small, Modifiers::any, vllm>(context, params, include_decodes);
    }
    if constexpr (has_medium_tiles(HeadSize)) {
      if (size == TileSize::medium) {
        if (plain && !vllm) {
          return launch_prefill_tiles<T, HeadSize, TileSize::medium, Modifiers::none, false>(context, params,
                                                                                             include_decodes);
        }
        return launch_prefill_tiles<T, HeadSize, TileSize::medium, Modifiers::any, vllm>(context, params,
                                                                                         include_decodes);
      }
    }
    if (plain) {
      return launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::none, vllm>(context, params, include_decodes);
    }
    launch_prefill_tiles<T, HeadSize, TileSize::large, Modifiers::any, vllm>(context, params, include_decodes);
  });
}

}  // namespace attention
