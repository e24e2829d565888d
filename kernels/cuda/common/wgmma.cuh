#pragma once
// Products of a warpgroup, Hopper's wgmma: 64 rows of a by N columns of b, 16 elements of the inner dimension in one
// instruction. Operand b lies in shared memory, a there or in registers, sums d in registers. Products run in the
// background:
//
//   begin_products();                      // what the thread wrote to registers of a and d is done
//   multiply_shared<T, N>(d, a, b, true);  // any number of them
//   commit_products();                     // they form one group
//   wait_for_products<0>(d);               // d may be read and written, a and b be overwritten
//
// From begin to wait no thread touches the registers of d, nor those of a.

#include <cstdint>

#include "common/hopper.cuh"

#ifndef ATTENTION_CUDA_EMULATOR

namespace attention {

/// Names a matrix in shared memory for a product. It consists of groups of 8 rows of 64 elements: 1,024 bytes, at a
/// multiple of 1,024 bytes, 16-byte chunk c of row r at chunk c ^ r as tensor maps swizzle it. `next_rows`: bytes from a
/// group to that of the next 8 rows.
///
/// K-major (a and b of multiply_shared): row r holds 64 elements of the inner dimension of row r of a, or of column r of
/// b. The next 16 of them begin 32 bytes on. `next_columns` is not used.
/// MN-major (b of multiply_registers): row k holds 64 of b's columns at element k of the inner dimension. `next_columns`:
/// bytes from a group to that of the next 64 columns. The next 16 elements of the inner dimension begin 2 next_rows on.
///
/// Bits: address / 16 in 0-13, next_columns / 16 in 16-29, next_rows / 16 in 32-45, 1 for this swizzle in 62-63.
__device__ __forceinline__ uint64_t matrix_descriptor(const void* shared, int next_rows, int next_columns = 16) {
  return uint64_t((shared_address(shared) & 0x3ffff) >> 4) | uint64_t(next_columns >> 4) << 16 |
         uint64_t(next_rows >> 4) << 32 | uint64_t(1) << 62;
}

/// The descriptor of the matrix that begins `bytes` on.
__device__ __forceinline__ uint64_t advance(uint64_t descriptor, int bytes) {
  return descriptor + uint64_t(bytes >> 4);
}

__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/// Waits for all groups of the warp's products but the newest `Pending`. `d` is what one of the others added to: the
/// compiler must not read it earlier.
template <int Pending, int Count>
__device__ __forceinline__ void wait_for_products(float (&d)[Count]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
#pragma unroll
  for (int i = 0; i < Count; i++) asm volatile("" : "+f"(d[i])::"memory");
}

/// d (+)= a · b, of T float16 or bfloat16: a is 64x16 and b 16xN in shared memory, both K-major; without `add` d is only
/// written. d: warp w of the warpgroup has rows 16 w to 16 w + 15; d[4 j + i] is column 8 j + 2 (lane % 4) + i % 2 of its
/// row lane / 4 + 8 (i / 2).
template <typename T, int N>
__device__ __forceinline__ void multiply_shared(float (&d)[N / 2], uint64_t a, uint64_t b, bool add);

/// d (+)= a · b: a is 64x16 in registers, of its warp's 16 rows as in multiply_matrices of ptx.cuh; b 16xN, MN-major.
template <typename T, int N>
__device__ __forceinline__ void multiply_registers(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b,
                                                   bool add = true);

// The instructions name each register of d, so each N has a text of its own, put together from these pieces.
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

/// COUNT is N / 2; I0 to I5 name the operands after d.
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
