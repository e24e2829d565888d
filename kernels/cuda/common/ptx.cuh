#pragma once
// The instructions that C++ has no word for. All inline assembly is here.

#include <cstdint>

#include "common/element_type.h"

#ifdef ATTENTION_CUDA_EMULATOR
#include "ptx_emulated.h"
#else

namespace attention {

__device__ __forceinline__ uint32_t shared_address(const void* shared) {
  return uint32_t(__cvta_generic_to_shared(shared));
}

/// Copies 16 bytes to shared memory in the background; where `valid` is false zeros, and nothing is read.
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool valid = true) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
#else
  *static_cast<uint4*>(shared) = valid ? *static_cast<const uint4*>(global) : uint4{0, 0, 0, 0};
#endif
}

/// Closes the group of copies that the thread has started.
__device__ __forceinline__ void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until all of the thread's groups but the newest `Pending` have arrived. A barrier makes them seen by others.
template <int Pending>
__device__ __forceinline__ void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#endif
}

/// Prepares a barrier in shared memory for a block of `threads` threads, whole warps. One thread does it.
__device__ __forceinline__ void init_arrivals(uint64_t& arrivals, int threads) {
#if __CUDA_ARCH__ >= 800
  const int warps = threads / 32;
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(&arrivals)), "r"(threads + warps) : "memory");
#endif
}

/// The thread arrives once the copies that it has started are done, its warp with what it has stored. Neither waits.
__device__ __forceinline__ void arrive_with_copies(uint64_t& arrivals) {
#if __CUDA_ARCH__ >= 800
  const uint32_t address = shared_address(&arrivals);
  asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(address) : "memory");
  __syncwarp();
  if (threadIdx.x % 32 == 0) {
    asm volatile("{ .reg .b64 state; mbarrier.arrive.shared.b64 state, [%0]; }" ::"r"(address) : "memory");
  }
#endif
}

/// Waits until all have arrived for the nth time: `odd` says whether n, counted from 0, is odd. What they copied and
/// stored before is seen. All threads of the block wait for each n.
__device__ __forceinline__ void wait_for_arrivals(uint64_t& arrivals, bool odd) {
#if __CUDA_ARCH__ >= 800
  const uint32_t address = shared_address(&arrivals);
  uint32_t done;
  do {
#if __CUDA_ARCH__ >= 900
    asm volatile("{ .reg .pred done; mbarrier.try_wait.parity.shared.b64 done, [%1], %2; selp.u32 %0, 1, 0, done; }"
                 : "=r"(done)
                 : "r"(address), "r"(uint32_t(odd))
                 : "memory");
#else
    asm volatile("{ .reg .pred done; mbarrier.test_wait.parity.shared.b64 done, [%1], %2; selp.u32 %0, 1, 0, done; }"
                 : "=r"(done)
                 : "r"(address), "r"(uint32_t(odd))
                 : "memory");
#endif
  } while (!done);
#else
  __syncthreads();  // copies were done when they were started
#endif
}

/// Four 8x8 matrices of 16-bit elements. Lane 8i + r gives the shared_address of row r of matrix i, 16 bytes.
__device__ __forceinline__ void load_matrices(uint32_t (&fragments)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(row)
               : "memory");
}

/// The same, each matrix transposed.
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&fragments)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(row)
               : "memory");
}

__device__ __forceinline__ void load_matrices(uint32_t (&fragments)[4], const void* shared_row) {
  load_matrices(fragments, shared_address(shared_row));
}

__device__ __forceinline__ void load_matrices_transposed(uint32_t (&fragments)[4], const void* shared_row) {
  load_matrices_transposed(fragments, shared_address(shared_row));
}

/// d += a · b: a is 16x16, b 16x8, both of T (float16 or bfloat16); d is 16x8 of float. PTX's fragments: with group =
/// lane / 4 and pair = lane % 4, a holds rows group and group + 8, columns 2 pair, 2 pair + 1 and those + 8, in the order
/// (group, low), (group + 8, low), (group, high), (group + 8, high); b rows 2 pair, 2 pair + 1 and those + 8 of column
/// group; d (group, 2 pair), (group, 2 pair + 1), (group + 8, 2 pair), (group + 8, 2 pair + 1).
template <typename T>
__device__ __forceinline__ void multiply_matrices(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

template <>
__device__ __forceinline__ void multiply_matrices<float16>(float (&d)[4], const uint32_t (&a)[4],
                                                           const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b[0]));
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[2]), "r"(a[3]), "r"(b[1]));
#endif
}

/// Needs compute capability 8.0; launchers send older devices elsewhere.
template <>
__device__ __forceinline__ void multiply_matrices<bfloat16>(float (&d)[4], const uint32_t (&a)[4],
                                                            const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

/// Two floats, rounded to T (float16 or bfloat16), `low` in the lower half: a pair of multiply_matrices.
template <typename T>
__device__ __forceinline__ uint32_t pack_pair(float low, float high);
template <>
__device__ __forceinline__ uint32_t pack_pair<float16>(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}
template <>
__device__ __forceinline__ uint32_t pack_pair<bfloat16>(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

/// tanh to a relative error of 2^-11.
__device__ __forceinline__ float tanh_coarse(float value) {
  float result;
  asm("tanh.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

/// 2^value to about 2 ulp; 0 for -infinity.
__device__ __forceinline__ float exp2_approximate(float value) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

/// Joins `threads` threads, a multiple of 32, at barrier `id` of the block, 1 to 15.
__device__ __forceinline__ void named_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// 16 bytes that are read once: past the L1 cache. Where `valid` is false zeros, and nothing is read. The compiler would
/// wait for the load before it chose.
__device__ __forceinline__ uint4 load_once(const void* global, bool valid = true) {
  uint4 value;
  asm volatile(
      "{ .reg .pred valid; setp.ne.u32 valid, %5, 0; mov.u32 %0, 0; mov.u32 %1, 0; mov.u32 %2, 0; mov.u32 %3, 0; "
      "@valid ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4]; }"
      : "=&r"(value.x), "=&r"(value.y), "=&r"(value.z), "=&r"(value.w)
      : "l"(global), "r"(uint32_t(valid)));
  return value;
}

}  // namespace attention

#endif
