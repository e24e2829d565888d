#pragma once

#include "attention/attention.h"

namespace attention {

/// Tiles of query rows. Large where there are rows enough; medium where large would not fit in shared memory.
enum class TileSize { small, medium, large };

/// Whether a head size has medium tiles apart from large ones.
constexpr bool has_medium_tiles(int head_size) { return head_size >= 128; }

/// Prefill of heads of at most HeadSize elements, 64, 128 or 256.
template <typename T, int HeadSize>
void launch_prefill(const LaunchContext& context, const AttentionParams& params, TileSize size, bool all);

}  // namespace attention
