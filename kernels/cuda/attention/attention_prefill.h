#pragma once

#include "attention/attention.h"

namespace attention {

/// Sizes of tiles of query rows: large if there are enough rows; medium if large would not fit in shared memory.
enum class TileSize { small, medium, large };

/// Whether a head size has medium tiles that differ from its large ones.
constexpr bool has_medium_tiles(int head_size) { return head_size >= 128; }

/// Launches prefill for heads of at most HeadSize elements, 64, 128 or 256.
template <typename T, int HeadSize>
void launch_prefill(const LaunchContext& context, const AttentionParams& params, TileSize size, bool include_decodes);

}  // namespace attention
