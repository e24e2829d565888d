#pragma once
// Wrappers of PTX instructions that CUDA C++ does not expose. All inline assembly is here, in hopper.cuh and in
// wgmma.cuh.

#include <cstdint>

#include "common/element_type.h"

#ifdef ATTENTION_CUDA_EMULATOR
#include "ptx_emulated.h"
#else

namespace attention {

__device__ __forceinline__ uint32_t shared_address(const void* shared) {
  return uint32_t(__cvta_generic_to_shared(shared));
}

/// Copies 16 bytes to shared memory asynchronously. If `valid` is false, writes zeros and does not read.
__device__ __forceinline__ void copy_async(uint32_t shared, const void* global, bool valid = true) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(valid ? 16 : 0)
               : "memory");
#else
  const uint4 bytes = valid ? *static_cast<const uint4*>(global) : uint4{0, 0, 0, 0};
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(shared), "r"(bytes.x), "r"(bytes.y), "r"(bytes.z),
               "r"(bytes.w)
               : "memory");
#endif
}

__device__ __forceinline__ void copy_async(void* shared, const void* global, bool valid = true) {
  copy_async(shared_address(shared), global, valid);
}

/// Copies the first `bytes` bytes, 0 to 16, of 16 to shared memory asynchronously, reads no others, and adds zeros.
__device__ __forceinline__ void copy_some_async(void* shared, const void* global, int bytes) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes)
               : "memory");
#else
  const auto* from = static_cast<const unsigned char*>(global);
  for (int i = 0; i < 16; i++) static_cast<unsigned char*>(shared)[i] = i < bytes ? from[i] : 0;
#endif
}

/// Commits the copies that the thread has started as one group.
__device__ __forceinline__ void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until all but the newest `Pending` groups of this thread are complete. A barrier then makes them visible to
/// other threads.
template <int Pending>
__device__ __forceinline__ void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#endif
}

/// Initializes an mbarrier in shared memory for a block of `threads` threads (whole warps). Called by one thread.
__device__ __forceinline__ void init_arrivals(uint64_t& arrivals, int threads) {
#if __CUDA_ARCH__ >= 800
  const int warps = threads / 32;
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(&arrivals)), "r"(threads + warps) : "memory");
#endif
}

/// Arrives without waiting: each thread once its asynchronous copies are complete, each warp with its stores.
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

/// Waits until all threads have arrived for the nth time, where `odd` is the parity of n, counted from 0. Their copies
/// and stores are then visible. All threads of the block must wait for every n.
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
  __syncthreads();  // copies are synchronous on this architecture
#endif
}

/// Loads four 8x8 matrices of 16-bit elements. Lane 8i + r passes the shared address of row r of matrix i, which has 16
/// bytes.
__device__ __forceinline__ void load_matrices(uint32_t (&fragments)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]), "=r"(fragments[3])
               : "r"(row)
               : "memory");
}

/// The same, with each matrix transposed.
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

/// d += a · b on tensor cores, for a of 16x16 and b of 16x8, both of T (float16 or bfloat16), and d of 16x8 floats. The
/// fragments are PTX's. With group = lane / 4 and pair = lane % 4, and "high" meaning 8 further on:
/// a: rows group and group + 8, columns 2 pair, 2 pair + 1 and those 8 further, in the order (group, low), (group + 8,
/// low), (group, high), (group + 8, high);
/// b: rows 2 pair, 2 pair + 1 and those 8 further, of column group;
/// d: (group, 2 pair), (group, 2 pair + 1), (group + 8, 2 pair), (group + 8, 2 pair + 1).
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

/// Needs compute capability 8.0. Launchers choose other kernels on older devices.
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

/// Rounds two floats to T (float16 or bfloat16) and packs them, `low` in the lower half, as an operand of
/// multiply_matrices.
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

/// Byte i of a word as a float: its bits become the last ones of 2^23.
__device__ __forceinline__ float byte_to_float(uint32_t word, int i) {
  return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650 + i)) - 8388608.0f;
}

/// The four bytes of a word, minus `Offset`, as floats.
template <int Offset>
__device__ __forceinline__ void expand_bytes(float (&values)[4], uint32_t bytes) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    values[i] = __uint_as_float(__byte_perm(bytes, 0x4b000000u, 0x7650 + i)) - float(8388608 + Offset);
  }
}

/// The same as two pairs of T (float16 or bfloat16), exactly: for bfloat16, bytes are below 128 unless `Offset` is 128.
template <typename T, int Offset>
__device__ __forceinline__ void expand_bytes(uint32_t (&pairs)[2], uint32_t bytes) {
  if constexpr (std::is_same_v<T, bfloat16> && Offset == 128) {
    float values[4];
    expand_bytes<Offset>(values, bytes);
    pairs[0] = pack_pair<T>(values[0], values[1]);
    pairs[1] = pack_pair<T>(values[2], values[3]);
  } else {
    // The bits become the last ones of 1024 in float16, of 128 in bfloat16.
    constexpr uint32_t base = std::is_same_v<T, float16> ? 0x64646464u : 0x43434343u;
    const uint32_t low = __byte_perm(bytes, base, 0x4140);
    const uint32_t high = __byte_perm(bytes, base, 0x4342);
    using Pair = std::conditional_t<std::is_same_v<T, float16>, __half2, __nv_bfloat162>;
    constexpr float subtracted = (std::is_same_v<T, float16> ? 1024 : 128) + Offset;
    Pair offset;
    if constexpr (std::is_same_v<T, float16>) {
      offset = __float2half2_rn(subtracted);
    } else {
      offset = __float2bfloat162_rn(subtracted);
    }
    const Pair first = __hsub2(reinterpret_cast<const Pair&>(low), offset);
    const Pair second = __hsub2(reinterpret_cast<const Pair&>(high), offset);
    pairs[0] = reinterpret_cast<const uint32_t&>(first);
    pairs[1] = reinterpret_cast<const uint32_t&>(second);
  }
}

/// tanh with a relative error of 2^-11.
__device__ __forceinline__ float tanh_coarse(float value) {
  float result;
  asm("tanh.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

/// 2^value with an error of about 2 ulp; 0 for -infinity.
__device__ __forceinline__ float exp2_approximate(float value) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

/// Adds 1 to a counter in global memory and returns its previous value. After a barrier, what the block has written is
/// visible to whoever sees the sum, and after another one the block sees what others wrote before they added.
__device__ __forceinline__ unsigned count_arrival(unsigned* counter) {
  unsigned before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;" : "=r"(before) : "l"(counter) : "memory");
  return before;
}

/// Synchronizes `threads` threads, a multiple of 32, at barrier `id` of the block, 1 to 15.
__device__ __forceinline__ void named_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// Loads 16 bytes that are read only once, bypassing the L1 cache. If `valid` is false, returns zeros and does not
/// read. The predicate is inside the assembly because the compiler would otherwise wait for the load before the
/// selection.
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
