#pragma once
// Hopper's warpgroup matrix products (wgmma): one instruction multiplies 64 rows of a by N columns of b over 16
// elements of the inner dimension. Operand b lies in shared memory, a in shared memory or registers, the accumulators d
// in registers. Products run asynchronously:
//
//   begin_products();                      // orders the thread's earlier writes to registers of a and d
//   multiply_shared<T, N>(d, a, b, true);  // any number of products
//   commit_products();                     // closes the group
//   wait_for_products<0>(d);               // d may be read and written, a and b overwritten
//
// Between begin and wait, no thread may touch the registers of d or a.

#include <cstdint>

#include "common/hopper.cuh"

#ifndef ATTENTION_CUDA_EMULATOR

namespace attention {

/// Describes a matrix in shared memory. It consists of core groups of 8 rows of 64 elements: 1,024 bytes, aligned to
/// 1,024 bytes, with 16-byte chunk c of row r at chunk c ^ r, as tensor maps swizzle it. `next_rows` is the distance in
/// bytes to the group of the next 8 rows.
///
/// K-major (a and b of multiply_shared): row r holds 64 elements of the inner dimension, of row r of a or column r of
/// b. The next 16 of them are 32 bytes further. `next_columns` is unused.
/// MN-major (b of multiply_registers): row k holds 64 columns of b at element k of the inner dimension. `next_columns`
/// is the distance in bytes to the group of the next 64 columns. The next 16 elements of the inner dimension are 2 *
/// next_rows bytes further.
///
/// Bits 0-13: address / 16; 16-29: next_columns / 16; 32-45: next_rows / 16; 62-63: 1, for 128-byte swizzle.
__device__ __forceinline__ uint64_t matrix_descriptor(const void* shared, int next_rows, int next_columns = 16) {
  return uint64_t((shared_address(shared) & 0x3ffff) >> 4) | uint64_t(next_columns >> 4) << 16 |
         uint64_t(next_rows >> 4) << 32 | uint64_t(1) << 62;
}

/// The descriptor of the matrix that starts `bytes` further.
__device__ __forceinline__ uint64_t advance(uint64_t descriptor, int bytes) {
  return descriptor + uint64_t(bytes >> 4);
}

__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/// Waits for all but the newest `Pending` groups of the warp's products. `d` is the result of a completed group: naming
/// it here keeps the compiler from reading it earlier.
template <int Pending, int Count>
__device__ __forceinline__ void wait_for_products(float (&d)[Count]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
#pragma unroll
  for (int i = 0; i < Count; i++) asm volatile("" : "+f"(d[i])::"memory");
}

/// d (+)= a · b for T float16 or bfloat16, with a of 64x16 and b of 16xN in shared memory, both K-major. Without `add`,
/// d is overwritten. Warp w of the warpgroup holds rows 16 w to 16 w + 15 of d. Its d[4 j + i] is in row lane / 4 of
/// these if i < 2, else 8 rows below, and in column 8 j + 2 (lane % 4) + i % 2.
template <typename T, int N>
__device__ __forceinline__ void multiply_shared(float (&d)[N / 2], uint64_t a, uint64_t b, bool add);

/// d (+)= a · b with a of 64x16 in registers (each warp has its 16 rows, as in multiply_matrices of ptx.cuh) and b of
/// 16xN, MN-major.
template <typename T, int N>
__device__ __forceinline__ void multiply_registers(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b,
                                                   bool add = true);

// The instruction names every register of d, so each N needs its own text, assembled from these pieces.
#if ATTENTION_HOPPER

#define ATTENTION_NAMES_32 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define ATTENTION_NAMES_40 \
  ATTENTION_NAMES_32 ", " \
  "%32, %33, %34, %35, %36, %37, %38, %39"
#define ATTENTION_NAMES_48 \
  ATTENTION_NAMES_40 ", " \
  "%40, %41, %42, %43, %44, %45, %46, %47"
#define ATTENTION_NAMES_64 \
  ATTENTION_NAMES_48 ", " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define ATTENTION_NAMES_96 \
  ATTENTION_NAMES_64 ", " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define ATTENTION_NAMES_128 \
  ATTENTION_NAMES_96 ", " \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

#define ATTENTION_SUMS_8(d, i)                                                                                \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
      "+f"(d[i + 7])
#define ATTENTION_SUMS_32(d) \
  ATTENTION_SUMS_8(d, 0), ATTENTION_SUMS_8(d, 8), ATTENTION_SUMS_8(d, 16), ATTENTION_SUMS_8(d, 24)
#define ATTENTION_SUMS_40(d) ATTENTION_SUMS_32(d), ATTENTION_SUMS_8(d, 32)
#define ATTENTION_SUMS_48(d) ATTENTION_SUMS_40(d), ATTENTION_SUMS_8(d, 40)
#define ATTENTION_SUMS_64(d) ATTENTION_SUMS_48(d), ATTENTION_SUMS_8(d, 48), ATTENTION_SUMS_8(d, 56)
#define ATTENTION_SUMS_96(d)                                                                            \
  ATTENTION_SUMS_64(d), ATTENTION_SUMS_8(d, 64), ATTENTION_SUMS_8(d, 72), ATTENTION_SUMS_8(d, 80), \
      ATTENTION_SUMS_8(d, 88)
#define ATTENTION_SUMS_128(d)                                                                             \
  ATTENTION_SUMS_96(d), ATTENTION_SUMS_8(d, 96), ATTENTION_SUMS_8(d, 104), ATTENTION_SUMS_8(d, 112), \
      ATTENTION_SUMS_8(d, 120)

/// COUNT is N / 2. I0 to I5 are the placeholders of the operands after d.
#define ATTENTION_PRODUCTS(T, NAME, N, COUNT, I0, I1, I2, I3, I4, I5)                                                  \
  template <>                                                                                                          \
  __device__ __forceinline__ void multiply_shared<T, N>(float (&d)[N / 2], uint64_t a, uint64_t b, bool add) {         \
    asm volatile("{ .reg .pred add; setp.ne.b32 add, " I2 ", 0; "                                                      \
                 "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." NAME "." NAME " {" ATTENTION_NAMES_##COUNT "}, "    \
                 I0 ", " I1 ", add, 1, 1, 0, 0; }"                                                                     \
                 : ATTENTION_SUMS_##COUNT(d)                                                                           \
                 : "l"(a), "l"(b), "r"(int(add)));                                                                     \
  }                                                                                                                    \
  template <>                                                                                                          \
  __device__ __forceinline__ void multiply_registers<T, N>(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b,      \
                                                           bool add) {                                                 \
    asm volatile("{ .reg .pred add; setp.ne.b32 add, " I5 ", 0; "                                                      \
                 "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." NAME "." NAME " {" ATTENTION_NAMES_##COUNT "}, {"   \
                 I0 ", " I1 ", " I2 ", " I3 "}, " I4 ", add, 1, 1, 1; }"                                               \
                 : ATTENTION_SUMS_##COUNT(d)                                                                           \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(add)));                                 \
  }
#define ATTENTION_PRODUCTS_OF_TYPES(N, ...)            \
  ATTENTION_PRODUCTS(float16, "f16", N, __VA_ARGS__)   \
  ATTENTION_PRODUCTS(bfloat16, "bf16", N, __VA_ARGS__)

ATTENTION_PRODUCTS_OF_TYPES(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
ATTENTION_PRODUCTS_OF_TYPES(80, 40, "%40", "%41", "%42", "%43", "%44", "%45")
ATTENTION_PRODUCTS_OF_TYPES(96, 48, "%48", "%49", "%50", "%51", "%52", "%53")
ATTENTION_PRODUCTS_OF_TYPES(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
ATTENTION_PRODUCTS_OF_TYPES(192, 96, "%96", "%97", "%98", "%99", "%100", "%101")
ATTENTION_PRODUCTS_OF_TYPES(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")

#endif

}  // namespace attention

#endif
