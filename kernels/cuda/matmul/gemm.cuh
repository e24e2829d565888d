#pragma once
// A block's tile of a matrix product on tensor cores. The operands pass through shared memory in steps along the depth
// (the inner dimension), in a pipeline of several stages that asynchronous copies fill ahead. Each warp multiplies its
// share of the tile from shared memory; the sums stay in registers for the kernel's epilogue.
//
//   using Tile = GemmTile<bfloat16, 128, 128, 2, 2>;
//   typename Tile::Sums sums;
//   Tile::multiply(sums, shared_memory<uint4>(), a, b, 0, depth);     // called by all Tile::threads threads
//   Tile::for_each_pair(sums, [&](int row, int column, float x, float y) {…});   // from registers; or:
//   float* products = Tile::gather(sums, shared_memory<float>());         // [row * Tile::pitch + column]
//
// The launch provides Tile::shared_bytes of dynamic shared memory.

#include "common/block_reduce.cuh"
#include "matmul/gemm_operands.cuh"
#include "common/ptx.cuh"

namespace attention {

/// The position of a 16-byte chunk in a tile of `Chunks` chunks per row, such that the same chunk of eight adjacent
/// rows covers all banks.
template <int Chunks>
__device__ __forceinline__ int swizzled(int row, int chunk) {
  static_assert(Chunks == 4 || Chunks % 8 == 0);
  return row * Chunks + (Chunks == 4 ? chunk ^ (row >> 1 & 3) : chunk ^ (row & 7));
}

/// Copies steps of an operand to shared memory. The tile is [line][depth], or [depth][line] for an operand that is
/// strided along the depth.
template <typename Operand, int Lines, int Depth, int Threads>
struct GemmStager;

/// Copies a chunk of eight elements, of which the first `valid` exist; the rest become zeros.
template <typename T>
__device__ __forceinline__ void stage_chunk(uint4* to, const T* from, int valid, bool aligned) {
  if (aligned) return copy_async(to, from, valid > 0);
  Pack<T, 8> pack;
#pragma unroll
  for (int i = 0; i < 8; i++) pack.elements[i] = i < valid ? from[i] : from_float<T>(0.0f);
  *reinterpret_cast<Pack<T, 8>*>(to) = pack;
}

template <typename T, typename LineSource, int Lines, int Depth, int Threads>
struct GemmStager<DepthContiguous<T, LineSource>, Lines, Depth, Threads> {
  static constexpr int chunks = Depth / 8;
  static constexpr int lines_per_pass = Threads / chunks;
  static constexpr int passes = Lines / lines_per_pass;
  static_assert(Lines % lines_per_pass == 0 && lines_per_pass % 8 == 0);

  const T* lines[passes];  // each at the thread's chunk
  unsigned present;        // bit i: line i exists
  int chunk;
  int offset;  // of the thread's chunk of its first line, in the tile
  bool aligned;

  __device__ __forceinline__ GemmStager(const DepthContiguous<T, LineSource>& operand, int, bool is_aligned) {
    const int first = threadIdx.x / chunks;
    chunk = threadIdx.x % chunks;
    offset = swizzled<chunks>(first, chunk);
    aligned = is_aligned;
    present = 0;
#pragma unroll
    for (int i = 0; i < passes; i++) {
      const T* line = operand.lines.line(first + i * lines_per_pass);
      if (line) present |= 1u << i;
      lines[i] = line + chunk * 8;
    }
  }

  __device__ __forceinline__ void stage(uint4* tile, int k, int limit) {
    const int valid = limit - k - chunk * 8;
#pragma unroll
    for (int i = 0; i < passes; i++) {
      stage_chunk(tile + offset + i * lines_per_pass * chunks, lines[i] + k, present >> i & 1 ? valid : 0, aligned);
    }
  }
};

template <typename T, int Lines, int Depth, int Threads>
struct GemmStager<DepthStrided<T>, Lines, Depth, Threads> {
  static constexpr int chunks = Lines / 8;
  static constexpr int steps_per_pass = Threads / chunks;
  static constexpr int passes = Depth / steps_per_pass;
  static_assert(Depth % steps_per_pass == 0 && steps_per_pass % 8 == 0);

  const T* next;  // source of the next step to stage
  int64_t stride;
  int step;
  int offset;  // of the thread's chunk of its first step, in the tile
  int valid;
  bool aligned;

  __device__ __forceinline__ GemmStager(const DepthStrided<T>& operand, int first, bool is_aligned) {
    const int chunk = threadIdx.x % chunks;
    step = threadIdx.x / chunks;
    offset = swizzled<chunks>(step, chunk);
    aligned = is_aligned;
    stride = operand.stride;
    next = operand.start + (first + step) * stride + chunk * 8;
    valid = operand.count - chunk * 8;
  }

  /// k increases by Depth from call to call.
  __device__ __forceinline__ void stage(uint4* tile, int k, int limit) {
#pragma unroll
    for (int i = 0; i < passes; i++) {
      stage_chunk(tile + offset + i * steps_per_pass * chunks, next, k + step + i * steps_per_pass < limit ? valid : 0,
                  aligned);
      next += steps_per_pass * stride;
    }
  }
};

/// A tile of `Rows` x `Columns` sums, computed by `WarpRows` x `WarpColumns` warps in steps of `Depth` along the depth,
/// with `Stages` steps in shared memory. T is float16 or bfloat16. `AlwaysAligned` omits the code for operands that are
/// not `aligned`.
template <typename T, int Rows, int Columns, int WarpRows, int WarpColumns, int Depth = 64, int Stages = 3,
          bool AlwaysAligned = true>
struct GemmTile {
  using Element = T;
  static constexpr int rows = Rows;
  static constexpr int columns = Columns;
  static constexpr int depth = Depth;
  static constexpr int threads = WarpRows * WarpColumns * warp_size;
  static constexpr int min_blocks = 1;  // per multiprocessor, for __launch_bounds__
  static constexpr int pitch = Columns + 8;  // row stride of gathered products, in floats

  static constexpr int row_matrices = Rows / WarpRows / 16;
  static constexpr int column_matrices = Columns / WarpColumns / 8;
  static_assert(Rows % (WarpRows * 16) == 0 && Columns % (WarpColumns * 16) == 0 && Depth % 32 == 0);

  static constexpr int a_chunks = Rows * Depth / 8;
  static constexpr int stage_chunks = (Rows + Columns) * Depth / 8;
  static constexpr int stage_bytes = Stages * stage_chunks * 16;
  static constexpr int product_bytes = Rows * pitch * 4;
  static constexpr int shared_bytes = stage_bytes > product_bytes ? stage_bytes : product_bytes;

  /// A thread's sums. [i][j] is its fragment of 16x8 matrix (i, j) of its warp, in the order of multiply_matrices().
  struct Sums {
    float at[row_matrices][column_matrices][4];
  };

  /// Sums the products over [first, limit) of the depth, where `first` is a multiple of 8. All threads of the block
  /// call it with the same arguments. `shared` may be reused when it returns.
  template <typename A, typename B>
  static __device__ __forceinline__ void multiply(Sums& sums, uint4* shared, const A& a, const B& b, int first,
                                                  int limit) {
    constexpr int k_steps = Depth / 16;
    const int warp = threadIdx.x / warp_size;
    const int first_row = warp / WarpColumns * (row_matrices * 16);
    const int first_column = warp % WarpColumns * (column_matrices * 8);
#pragma unroll
    for (int i = 0; i < row_matrices; i++) {
#pragma unroll
      for (int j = 0; j < column_matrices; j++) {
#pragma unroll
        for (int n = 0; n < 4; n++) sums.at[i][j][n] = 0.0f;
      }
    }
    GemmStager<A, Rows, Depth, threads> a_stager(a, first, AlwaysAligned || a.aligned);
    GemmStager<B, Columns, Depth, threads> b_stager(b, first, AlwaysAligned || b.aligned);

    int staged = first;  // position along the depth
    int write_slot = 0;
    const auto stage_next = [&] {
      if (staged < limit) {
        uint4* tile = shared + write_slot * stage_chunks;
        a_stager.stage(tile, staged, limit);
        b_stager.stage(tile + a_chunks, staged, limit);
      }
      copy_async_commit();
      staged += Depth;
      write_slot = write_slot + 1 == Stages ? 0 : write_slot + 1;
    };
#pragma unroll
    for (int stage = 0; stage < Stages - 1; stage++) stage_next();
    copy_async_wait<Stages - 2>();
    __syncthreads();

    // Software pipeline: reads the fragments for the next 16 of the depth while multiplying the current ones.
    uint32_t a_fragments[2][row_matrices][4];
    uint32_t b_fragments[2][column_matrices / 2][4];
    int read_slot = 0;
    read<A, B>(a_fragments[0], b_fragments[0], shared, first_row, first_column, 0);
    for (int k = first; k < limit; k += Depth) {
#pragma unroll
      for (int k_step = 0; k_step < k_steps; k_step++) {
        const bool is_last = k_step + 1 == k_steps;
        if (is_last) {
          // Now the next stage has arrived, and no warp reads the previous one any more.
          copy_async_wait<Stages - 2>();
          __syncthreads();
          read_slot = read_slot + 1 == Stages ? 0 : read_slot + 1;
        }
        const int next = (k_step + 1) % 2;
        // After the last stage this reads fragments that are not used.
        read<A, B>(a_fragments[next], b_fragments[next], shared + read_slot * stage_chunks, first_row, first_column,
                   is_last ? 0 : (k_step + 1) * 16);
        if (k_step == k_steps - 2) stage_next();  // late, because copies delay the reads that follow them
#pragma unroll
        for (int i = 0; i < row_matrices; i++) {
#pragma unroll
          for (int j = 0; j < column_matrices; j++) {
            const uint32_t(&pair)[4] = b_fragments[k_step % 2][j / 2];
            const uint32_t matrix[2] = {pair[j % 2 * 2], pair[j % 2 * 2 + 1]};
            multiply_matrices<T>(sums.at[i][j], a_fragments[k_step % 2][i], matrix);
          }
        }
      }
    }
    copy_async_wait<0>();
    __syncthreads();
  }

  /// Calls `use(row, column, x, y)` for each pair of the thread's sums: x at (row, column) and y at (row, column + 1)
  /// of the tile. A warp's matrix has eight columns, so calls of one thread with the same `row` differ by multiples of
  /// 8 in `column`.
  template <typename Use>
  static __device__ __forceinline__ void for_each_pair(const Sums& sums, Use&& use) {
    const int lane = threadIdx.x % warp_size;
    const int warp = threadIdx.x / warp_size;
    const int first_row = warp / WarpColumns * (row_matrices * 16) + lane / 4;
    const int first_column = warp % WarpColumns * (column_matrices * 8) + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < row_matrices; i++) {
#pragma unroll
      for (int j = 0; j < column_matrices; j++) {
        const float(&matrix)[4] = sums.at[i][j];
        use(first_row + i * 16, first_column + j * 8, matrix[0], matrix[1]);
        use(first_row + i * 16 + 8, first_column + j * 8, matrix[2], matrix[3]);
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
  /// Reads a warp's fragments for 16 of the depth, starting at k in the stage.
  template <typename A, typename B>
  static __device__ __forceinline__ void read(uint32_t (&a_fragments)[row_matrices][4],
                                              uint32_t (&b_fragments)[column_matrices / 2][4], const uint4* stage,
                                              int first_row, int first_column, int k) {
    const int lane = threadIdx.x % warp_size;
#pragma unroll
    for (int i = 0; i < row_matrices; i++) {
      const int row = first_row + i * 16;
      if constexpr (A::depth_contiguous) {
        load_matrices(a_fragments[i], stage + swizzled<Depth / 8>(row + lane % 16, k / 8 + lane / 16));
      } else {
        load_matrices_transposed(a_fragments[i], stage + swizzled<Rows / 8>(k + lane / 16 * 8 + lane % 8,
                                                                            row / 8 + lane / 8 % 2));
      }
    }
    stage += a_chunks;
#pragma unroll
    for (int j = 0; j < column_matrices / 2; j++) {
      const int column = first_column + j * 16;
      if constexpr (B::depth_contiguous) {
        load_matrices(b_fragments[j], stage + swizzled<Depth / 8>(column + lane / 16 * 8 + lane % 8,
                                                                  k / 8 + lane / 8 % 2));
      } else {
        load_matrices_transposed(b_fragments[j],
                                 stage + swizzled<Columns / 8>(k + lane % 16, column / 8 + lane / 16));
      }
    }
  }
};

}  // namespace attention
