#pragma once

#include "common/launch.h"

namespace attention {

/// Sorted pairs `first` to `end` go through the matrices of one expert together. `expert` is -1 for pairs that have none,
/// and the tile is empty where there is room for more tiles than there are.
struct MoeTile {
  int first;
  int end;
  int expert;
};

/// Room for the tiles of `pairs`: each expert, and the pairs that have none, may end with a tile that is not full.
int64_t count_moe_tiles(int pairs, int experts, int rows_per_tile);

/// Cuts the pairs of each expert, which lie together in the sorted order, into tiles of rows.
void make_moe_tiles(const LaunchContext& context, const int* expert_ids, int pairs, int experts, int rows_per_tile,
                    MoeTile* tiles);

}  // namespace attention
