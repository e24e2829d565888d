#pragma once

#include "common/launch.h"

namespace attention {

/// Sorted pairs [first, end), which share an expert. `expert` is -1 for pairs without one. Surplus tiles are empty.
struct MoeTile {
  int first;
  int end;
  int expert;
};

/// An upper bound on the number of tiles: each expert, and the pairs without one, may end with a partial tile.
int64_t count_moe_tiles(int pairs, int experts, int rows_per_tile);

/// Divides the pairs of each expert, which are contiguous in the sorted order, into tiles.
void make_moe_tiles(const LaunchContext& context, const int* expert_ids, int pairs, int experts, int rows_per_tile,
                    MoeTile* tiles);

}  // namespace attention
