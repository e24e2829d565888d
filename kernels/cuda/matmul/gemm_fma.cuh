#pragma once
// A block's tile of a matrix product with float32 FMAs on CUDA cores, for float32 operands, and for half types on
// devices without tensor cores for them. It has the interface of gemm.cuh's tile. Two stages alternate in shared
// memory: while the block multiplies one, each thread already loads its elements of the next into registers.

#include "common/block_reduce.cuh"
#include "matmul/gemm_operands.cuh"

namespace attention {

/// A tile of `Extent` x `Extent` sums, 128 or 64, computed by 256 threads.
template <typename T, int Extent>
struct FmaTile {
  using Element = T;
  static constexpr int rows = Extent;
  static constexpr int columns = Extent;
  static constexpr int depth = 16;
  static constexpr int threads = 256;
  static constexpr int min_blocks = 2;           // per multiprocessor, for __launch_bounds__
  static constexpr int pitch = Extent + 8;        // row stride of gathered products, in floats

  static constexpr int quads = Extent / 64;      // groups of 4 rows and of 4 columns per thread, 64 apart
  static constexpr int line_pitch = Extent + 4;  // stride between steps of the depth, in floats
  static constexpr int operand_floats = depth * line_pitch;
  static constexpr int stage_bytes = 2 * 2 * operand_floats * 4;
  static constexpr int product_bytes = Extent * pitch * 4;
  static constexpr int shared_bytes = stage_bytes > product_bytes ? stage_bytes : product_bytes;

  /// A thread's sums: 4 rows from row 4 (thread / 16), 4 columns from column 4 (thread % 16), and those 64 further.
  struct Sums {
    float at[quads * 4][quads * 4];
  };

  /// Sums the products over [first, limit) of the depth, where `first` is a multiple of 16. All threads of the block
  /// call it with the same arguments. `shared` may be reused when it returns.
  template <typename A, typename B>
  static __device__ __forceinline__ void multiply(Sums& sums, uint4* shared, const A& a, const B& b, int first,
                                                  int limit) {
    float* stages = reinterpret_cast<float*>(shared);
    const int row = threadIdx.x / 16 * 4;
    const int column = threadIdx.x % 16 * 4;
#pragma unroll
    for (int i = 0; i < quads * 4; i++) {
#pragma unroll
      for (int j = 0; j < quads * 4; j++) sums.at[i][j] = 0.0f;
    }
    float next_a[quads][4];
    float next_b[quads][4];
    fetch(next_a, a, first, limit);
    fetch(next_b, b, first, limit);
    int slot = 0;
    for (int k = first; k < limit; k += depth) {
      float* a_stage = stages + slot * 2 * operand_floats;
      float* b_stage = a_stage + operand_floats;
      put<A>(a_stage, next_a);
      put<B>(b_stage, next_b);
      __syncthreads();  // also: all threads are done with the other slot, which is written next
      slot ^= 1;
      if (k + depth < limit) {
        fetch(next_a, a, k + depth, limit);
        fetch(next_b, b, k + depth, limit);
      }
#pragma unroll
      for (int d = 0; d < depth; d++) {
        float left[quads * 4];
        float right[quads * 4];
#pragma unroll
        for (int quad = 0; quad < quads; quad++) {
          read_quad(left + quad * 4, a_stage + d * line_pitch + row + quad * 64);
          read_quad(right + quad * 4, b_stage + d * line_pitch + column + quad * 64);
        }
#pragma unroll
        for (int i = 0; i < quads * 4; i++) {
#pragma unroll
          for (int j = 0; j < quads * 4; j++) sums.at[i][j] = fmaf(left[i], right[j], sums.at[i][j]);
        }
      }
    }
    __syncthreads();
  }

  /// Calls `use(row, column, x, y)` for each pair of the thread's sums: x at (row, column) and y at (row, column + 1)
  /// of the tile.
  template <typename Use>
  static __device__ __forceinline__ void for_each_pair(const Sums& sums, Use&& use) {
    const int row = threadIdx.x / 16 * 4;
    const int column = threadIdx.x % 16 * 4;
#pragma unroll
    for (int i = 0; i < quads * 4; i++) {
#pragma unroll
      for (int j = 0; j < quads * 4; j += 2) {
        use(row + i / 4 * 64 + i % 4, column + j / 4 * 64 + j % 4, sums.at[i][j], sums.at[i][j + 1]);
      }
    }
  }

  /// Writes the products to shared memory, row r, column c at [r * pitch + c], visible to all threads.
  static __device__ __forceinline__ float* gather(const Sums& sums, float* shared) {
    for_each_pair(sums, [&](int row, int column, float x, float y) {
      *reinterpret_cast<float2*>(shared + row * pitch + column) = float2{x, y};
    });
    __syncthreads();
    return shared;
  }

 private:
  static __device__ __forceinline__ void read_quad(float* to, const float* from) {
    const float4 quad = *reinterpret_cast<const float4*>(from);
    to[0] = quad.x;
    to[1] = quad.y;
    to[2] = quad.z;
    to[3] = quad.w;
  }

  /// The line and the depth at which pack `i` of this thread starts. Packs lie along the depth or across it.
  template <typename Operand>
  static __device__ __forceinline__ int2 place(int i) {
    const int pack = threadIdx.x + i * threads;
    if constexpr (Operand::depth_contiguous) return {pack / (depth / 4), pack % (depth / 4) * 4};
    return {pack % (Extent / 4) * 4, pack / (Extent / 4)};
  }

  template <typename Operand>
  static __device__ __forceinline__ void fetch(float (&to)[quads][4], const Operand& operand, int k, int limit) {
#pragma unroll
    for (int i = 0; i < quads; i++) {
      const int2 at = place<Operand>(i);
      operand.load(to[i], at.x, k + at.y, limit);
    }
  }

  template <typename Operand>
  static __device__ __forceinline__ void put(float* stage, const float (&from)[quads][4]) {
#pragma unroll
    for (int i = 0; i < quads; i++) {
      const int2 at = place<Operand>(i);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const int line = Operand::depth_contiguous ? at.x : at.x + j;
        const int step = Operand::depth_contiguous ? at.y + j : at.y;
        stage[step * line_pitch + line] = from[i][j];
      }
    }
  }
};

}  // namespace attention
