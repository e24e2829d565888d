#pragma once
// Launches of attention_prefill_hopper.cuh, instantiated by head size and type.

#include "attention/attention_prefill_hopper.h"
#include "attention/attention_prefill_hopper.cuh"

namespace attention {

template <typename T, int HeadSize, Modifiers Modified>
void launch_prefill_hopper_modified(const LaunchContext& context, const AttentionParams& params, bool include_decodes) {
  using Tile = HopperTile<HeadSize>;
  const int group = params.heads / params.kv_heads;
  const int64_t tiles = count_tiles(params, group, Tile::rows);
  const int64_t total = tiles * params.kv_heads;
  const bool paged = params.block_tables != nullptr;
  const bool whole_heads = params.head_size == Tile::parts * Tile::part;
  const int64_t part_bytes = Tile::part * sizeof(T);
  const int64_t head_bytes = int64_t(params.head_size) * sizeof(T);

  const bool boxed_queries = 64 % group == 0;
  const int box_tokens = boxed_queries ? Tile::rows / group : 1;
  const TensorMap queries = make_tensor_map({
      .data = params.query.data,
      .type = params.query.type,
      .size = {whole_heads ? Tile::part : params.head_size, group, params.tokens, whole_heads ? Tile::parts : 1,
               params.kv_heads},
      .stride_bytes = {0, head_bytes, params.heads * head_bytes, part_bytes, group * head_bytes},
      .box = {Tile::part, boxed_queries ? group : 1, box_tokens, whole_heads ? Tile::parts : 1, 1},
  });

  const int box_keys = paged ? std::min(params.block_size, Tile::max_box_keys) : Tile::max_box_keys;
  const bool whole_keys = paged && whole_heads;
  constexpr int group_bytes = 8 * Tile::part * int(sizeof(T));
  const KeyLayout layout = whole_keys ? KeyLayout{box_keys, true, Tile::parts * group_bytes, group_bytes}
                                      : KeyLayout{box_keys, false, group_bytes, Tile::keys / 8 * group_bytes};
  const auto map_keys = [&](const Operand& operand) {
    const int64_t rows = paged ? int64_t(params.num_blocks) * params.block_size : int64_t(params.keys);
    const int64_t row_bytes = params.kv_heads * head_bytes;
    TensorView view = {
        .data = operand.data,
        .type = operand.type,
        .size = {params.head_size, rows, 1, 1, params.kv_heads},
        .stride_bytes = {0, row_bytes, row_bytes, row_bytes, head_bytes},
        .box = {Tile::part, box_keys, 1, 1, 1},
    };
    if (whole_keys) {
      view = {
          .data = operand.data,
          .type = operand.type,
          .size = {Tile::part, 8, Tile::parts, rows / 8, params.kv_heads},
          .stride_bytes = {0, row_bytes, part_bytes, 8 * row_bytes, head_bytes},
          .box = {Tile::part, 8, Tile::parts, box_keys / 8, 1},
      };
    }
    return make_tensor_map(view);
  };

  const Counters counter(context, 1);
  const bool softcap = Modified == Modifiers::softcap;
  launch(context, attention_prefill_hopper_kernel<T, HeadSize, Modified>,
         {.blocks = std::min(total, int64_t(context.device.multiprocessors)),
          .threads = unsigned(Tile::threads),
          .shared_bytes = sizeof(HopperMemory<Tile>)},
         params, queries, map_keys(params.key), map_keys(params.value),
         HopperGrid{int(tiles), include_decodes, layout, boxed_queries, counter.data()},
         (softcap ? params.softcap : params.scale) * log2_e, softcap ? params.scale / params.softcap : 1.0f);
}

template <typename T, int HeadSize>
void launch_prefill_hopper(const LaunchContext& context, const AttentionParams& params, bool include_decodes) {
  if (params.softcap > 0.0f) {
    return launch_prefill_hopper_modified<T, HeadSize, Modifiers::softcap>(context, params, include_decodes);
  }
  if (params.alibi_slopes) {
    return launch_prefill_hopper_modified<T, HeadSize, Modifiers::alibi>(context, params, include_decodes);
  }
  launch_prefill_hopper_modified<T, HeadSize, Modifiers::none>(context, params, include_decodes);
}

}  // namespace attention
