#pragma once
#include <metal_stdlib>

using namespace metal;

/// The sorted pairs `first` to `end` (exclusive), which one threadgroup multiplies by their expert's matrix. `expert`
/// is −1 for pairs without an expert. Surplus threadgroups get an empty tile.
struct MoeTile {
  int first;
  int end;
  int expert;
};
constant constexpr uint moe_tile_rows = 32;
