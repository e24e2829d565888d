#pragma once
#include <metal_stdlib>

using namespace metal;

/// Rows of the sorted pairs that one threadgroup multiplies by its expert's matrix: `first` to `end`. `expert` is −1 for
/// pairs without an expert, and the tile is empty where there are more threadgroups than tiles.
struct MoeTile {
  int first;
  int end;
  int expert;
};
constant constexpr uint moe_tile_rows = 32;
