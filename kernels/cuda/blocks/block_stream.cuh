#pragma once
// Products of few rows with a weight in a block type, bound by the bandwidth of reading the weight, once. A warp takes
// runs of 256 elements of 16 lines of the weight. Blocks start at odd places, so a warp copies each run as it lies, in
// whole pieces of 16 bytes, to shared memory, several runs ahead, and lanes pick their codes from there. Tensor cores
// multiply the integers, which are exact in both half types; scales are applied to the float32 sums of a group.

#include "blocks/block_types.cuh"
#include "common/block_reduce.cuh"
#include "common/launch.h"

namespace attention {

constexpr int block_lines = 16;  // per warp
constexpr int max_block_warps = 8;

/// 256 elements of a line in shared memory.
template <typename Block>
struct BlockRun {
  static constexpr int length = 256;
  static constexpr int groups = length / block_group;
  static constexpr int bytes = Block::bytes * (length / Block::length);
  static constexpr int pieces = (bytes + 16 - Block::alignment + 15) / 16;  // of 16 bytes, wherever it starts
  static constexpr int pitch = (pieces | 1) * 16;  // odd: eight lines cover all banks
  static constexpr int slot_bytes = block_lines * pitch;
  static constexpr int stages = pitch < 160 ? 4 : pitch < 224 ? 3 : 2;
  static constexpr int warp_bytes = stages * slot_bytes;
};

/// Warps of a thread block with the given rows, as many as its shared memory has room for.
template <typename Block>
int block_warps(const LaunchContext& context, int rows) {
  const int64_t fixed = int64_t(max_block_warps) * rows * (block_lines + 1) * sizeof(float);
  int warps = max_block_warps;
  while (warps > 1 && fixed + warps * BlockRun<Block>::warp_bytes > context.device.shared_bytes_per_block) warps /= 2;
  return warps;
}

__device__ __forceinline__ int misalignment(const uint8_t* address) {
  return int(reinterpret_cast<uintptr_t>(address) % 16);
}

/// Copies runs of a warp's lines to shared memory. `line(i)` is where line i starts; memory before it, down to a multiple
/// of 16 bytes, may be read.
template <typename Block>
struct BlockStager {
  using Run = BlockRun<Block>;
  static constexpr int count = block_lines * Run::pieces;
  static constexpr int passes = (count + warp_size - 1) / warp_size;

  const uint8_t* lines[passes];
  int line_bytes;

  template <typename Line>
  __device__ __forceinline__ BlockStager(Line&& line, int depth) : line_bytes(depth / Block::length * Block::bytes) {
    const int lane = threadIdx.x % warp_size;
#pragma unroll
    for (int pass = 0; pass < passes; pass++) {
      lines[pass] = line(min((lane + pass * warp_size) / Run::pieces, block_lines - 1));
    }
  }

  __device__ __forceinline__ void stage(uint8_t* slot, int run) const {
    const int lane = threadIdx.x % warp_size;
#pragma unroll
    for (int pass = 0; pass < passes; pass++) {
      const int i = lane + pass * warp_size;
      if (count % warp_size != 0 && i >= count) break;
      const int piece = i % Run::pieces * 16;
      const uint8_t* start = lines[pass] + run * Run::bytes;
      const int offset = piece - misalignment(start);  // from the start of the run
      const int left = min(Run::bytes, line_bytes - run * Run::bytes) - offset;
      copy_some_async(slot + i / Run::pieces * Run::pitch + piece, start + offset, max(0, min(16, left)));
    }
  }
};

/// Sums of a warp's 16 lines with 8 * RowTiles rows of a half type, on tensor cores.
template <typename Block, typename T, int RowTiles>
struct BlockSums {
  static constexpr int rows = RowTiles * 8;
  float sums[RowTiles][4] = {};

  /// The row that a lane reads for tile i.
  static __device__ __forceinline__ int row_of(int i) { return i * 8 + threadIdx.x % warp_size / 4; }

  /// Adds the products of a group of both of the lane's lines, `low` and `high`, with `x`: the lane's rows at the group.
  __device__ __forceinline__ void add(const uint8_t* low, const uint8_t* high, int group,
                                      const T* const (&x)[RowTiles], int k) {
    const int quad = threadIdx.x % 4;
    uint32_t codes[2][2][2];  // [half of the group][line][pair]
#pragma unroll
    for (int half = 0; half < 2; half++) {
      expand_bytes<T, Block::offset>(codes[half][0], Block::codes(low, group, quad + half * 4));
      expand_bytes<T, Block::offset>(codes[half][1], Block::codes(high, group, quad + half * 4));
    }
    constexpr int parts = Block::has_half_scales ? 2 : 1;
    BlockFactors factors[parts][2];
#pragma unroll
    for (int part = 0; part < parts; part++) {
      factors[part][0] = Block::factors(low, group, part);
      factors[part][1] = Block::factors(high, group, part);
    }
#pragma unroll
    for (int i = 0; i < RowTiles; i++) {
      float products[parts][4] = {};
      float totals[4] = {};  // of x, for the minima
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const uint2 right = *reinterpret_cast<const uint2*>(x[i] + k + half * 16 + quad * 4);
        const auto& left = codes[half];
        multiply_matrices<T>(products[half % parts], {left[0][0], left[1][0], left[0][1], left[1][1]},
                             {right.x, right.y});
        if constexpr (Block::has_minimum) {
          constexpr uint32_t one = std::is_same_v<T, float16> ? 0x3c003c00u : 0x3f803f80u;
          multiply_matrices<T>(totals, {one, one, one, one}, {right.x, right.y});
        }
      }
#pragma unroll
      for (int n = 0; n < 4; n++) {
#pragma unroll
        for (int part = 0; part < parts; part++) {
          sums[i][n] = fmaf(factors[part][n / 2].scale, products[part][n], sums[i][n]);
        }
        if constexpr (Block::has_minimum) sums[i][n] = fmaf(-factors[0][n / 2].minimum, totals[n], sums[i][n]);
      }
    }
  }

  template <int Pitch>
  __device__ __forceinline__ void store(float (*to)[Pitch]) const {
    const int lane = threadIdx.x % warp_size;
#pragma unroll
    for (int i = 0; i < RowTiles; i++) {
#pragma unroll
      for (int n = 0; n < 4; n++) to[i * 8 + lane % 4 * 2 + n % 2][lane / 4 + n / 2 * 8] = sums[i][n];
    }
  }
};

/// Sums with `Rows` rows of float32, on CUDA cores: the four lanes of two lines divide the depth.
template <typename Block, int Rows>
struct BlockSums<Block, float, Rows> {
  static constexpr int rows = Rows;
  float sums[Rows][2] = {};

  static __device__ __forceinline__ int row_of(int i) { return i; }

  __device__ __forceinline__ void add(const uint8_t* low, const uint8_t* high, int group, const float* const (&x)[Rows],
                                      int k) {
    const int quad = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float weights[2][4];
#pragma unroll
      for (int line = 0; line < 2; line++) {
        const uint8_t* block = line == 0 ? low : high;
        expand_bytes<Block::offset>(weights[line], Block::codes(block, group, quad + half * 4));
        const BlockFactors factors = Block::factors(block, group, half);
#pragma unroll
        for (int j = 0; j < 4; j++) weights[line][j] = factors.decode(weights[line][j]);
      }
#pragma unroll
      for (int i = 0; i < Rows; i++) {
        float right[4];
        load_pack<4>(right, x[i] + k + half * 16 + quad * 4);
#pragma unroll
        for (int line = 0; line < 2; line++) {
#pragma unroll
          for (int j = 0; j < 4; j++) sums[i][line] = fmaf(right[j], weights[line][j], sums[i][line]);
        }
      }
    }
  }

  template <int Pitch>
  __device__ __forceinline__ void store(float (*to)[Pitch]) const {
    const int lane = threadIdx.x % warp_size;
#pragma unroll
    for (int i = 0; i < Rows; i++) {
#pragma unroll
      for (int line = 0; line < 2; line++) {
        const float sum = warp_sum<4>(sums[i][line]);
        if (lane % 4 == 0) to[i][lane / 4 + line * 8] = sum;
      }
    }
  }
};

/// Sums the products of the warp's runs: the first is `first`, the others are `stride` apart. `slots` is the warp's shared
/// memory. x has Sums::row_of(i) at index i.
template <typename Block, typename Sums, typename T, int Count, typename Line>
__device__ __forceinline__ void stream_blocks(Sums& sums, uint8_t* slots, Line&& line, const T* const (&x)[Count],
                                              int depth, int first, int stride) {
  using Run = BlockRun<Block>;
  const BlockStager<Block> stager(line, depth);
  const int group = threadIdx.x % warp_size / 4;
  const uint8_t* low_line = line(group);
  const uint8_t* high_line = line(group + 8);
  const int runs = (depth + Run::length - 1) / Run::length;
#pragma unroll
  for (int stage = 0; stage < Run::stages; stage++) {
    if (first + stage * stride < runs) stager.stage(slots + stage * Run::slot_bytes, first + stage * stride);
    copy_async_commit();
  }
  int stage = 0;
  for (int run = first; run < runs; run += stride) {
    uint8_t* slot = slots + stage * Run::slot_bytes;
    copy_async_wait<Run::stages - 1>();
    __syncwarp();
    const uint8_t* low = slot + group * Run::pitch;
    const uint8_t* high = low + 8 * Run::pitch;
    if constexpr (Block::alignment < 16) {
      low += misalignment(low_line + run * Run::bytes);
      high += misalignment(high_line + run * Run::bytes);
    }
    const int k = run * Run::length;
    const int groups = (depth - k) / block_group;
#pragma unroll
    for (int i = 0; i < Run::groups; i++) {
      if (Block::length < Run::length && i >= groups) break;
      constexpr bool is_small = Block::length == block_group;
      const int at = is_small ? i * Block::bytes : 0;
      sums.add(low + at, high + at, is_small ? 0 : i, x, k + i * block_group);
    }
    __syncwarp();
    const int next = run + Run::stages * stride;
    if (next < runs) stager.stage(slot, next);
    copy_async_commit();
    stage = stage + 1 == Run::stages ? 0 : stage + 1;
  }
  copy_async_wait<0>();
}

}  // namespace attention
