#pragma once
#include "matmul/gemm.h"
#include "moe/moe_tiles.h"

template <typename T>
using MoeGemmTile = GemmTile<T, moe_tile_rows, 64, 2, 2>;

constant constexpr uint moe_no_row = 0xffffffffu;

/// Rows of x in the order of `rows`, which the threadgroup has filled in; `moe_no_row` marks rows to be read as zeros.
template <typename T>
struct MoeInputRows {
  device const T* x;
  threadgroup const uint* rows;
  uint depth;

  device const T* line(uint i) const { return rows[i] == moe_no_row ? nullptr : x + ulong(rows[i]) * depth; }
};

/// The work of the *_rows kernels, which serve few pairs: rows of weights per simdgroup, and simdgroups per
/// threadgroup.
constant constexpr uint moe_rows_per_simdgroup = 4;
constant constexpr uint moe_rows_simdgroups = 2;
