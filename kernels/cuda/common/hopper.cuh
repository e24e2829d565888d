#pragma once
// What only Hopper (sm_90a) has, apart from its products, which are in wgmma.cuh: barriers in shared memory that count
// bytes, copies of boxes of a tensor by the copy engine (TMA), and registers that warps hand to each other.
//
// Two "proxies" reach shared memory: threads (the generic one), and the copy engine and warpgroup products (the async
// one). Neither sees what the other wrote unless told: by `fence_async_proxy` after the writes of threads, by a barrier
// with expected bytes after those of the copy engine.

#include <cstdint>

#include "common/ptx.cuh"
#include "common/tensor_map.h"

#ifdef ATTENTION_CUDA_EMULATOR
#include "hopper_emulated.h"
#else

namespace attention {

constexpr int warpgroup_size = 128;

/// Whether the code being compiled may call what is here: where it is compiled for sm_90a.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define ATTENTION_HOPPER 1
#else
#define ATTENTION_HOPPER 0
#endif

/// Prepares a barrier (mbarrier) in shared memory whose phases complete once `arrivals` arrivals were counted, and all
/// bytes that were expected have come. One thread does it, before `publish_barriers` and a barrier of the block.
__device__ __forceinline__ void init_barrier(uint64_t& barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(arrivals) : "memory");
}

/// Makes barriers that the thread has prepared known to the copy engine.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/// Counts one arrival. What the thread wrote before is seen by those who wait for the phase.
__device__ __forceinline__ void arrive(uint64_t& barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&barrier)) : "memory");
}

/// Counts one arrival, and makes the phase wait for `bytes` more bytes of copies, which may come before or after.
__device__ __forceinline__ void arrive_expecting(uint64_t& barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)), "r"(bytes)
               : "memory");
}

/// Waits until the phase of this parity is complete. Phases are counted from 0; the barrier must be in that phase, or
/// in the next. So on a new barrier parity 0 waits for the first phase, and parity 1 does not wait.
__device__ __forceinline__ void wait_for_phase(uint64_t& barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra.uni over;\n"
      "bra.uni again;\n"
      "over:\n"
      "}" ::"r"(shared_address(&barrier)),
      "r"(parity)
      : "memory");
}

/// Where a box begins in its tensor, innermost first.
struct BoxStart {
  int element[tensor_map_rank];
};

/// Starts to copy a box of a tensor to shared memory, at a multiple of 1,024 bytes. One thread does it. Elements
/// outside the tensor (before 0, or from its size on, in any dimension) become zeros. `barrier` gets the bytes of the
/// whole box, zeros included.
__device__ __forceinline__ void copy_box(void* shared, const TensorMap& map, uint64_t& barrier, const BoxStart& start) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(&barrier)), "r"(start.element[0]), "r"(start.element[1]), "r"(start.element[2]),
      "r"(start.element[3]), "r"(start.element[4])
      : "memory");
}

/// Fetches a map, a parameter of the kernel, ahead of its first use.
__device__ __forceinline__ void prefetch_tensor_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

/// Lets products and the copy engine see what the thread wrote to shared memory. Its threads then meet at a barrier
/// with whoever starts those.
__device__ __forceinline__ void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/// True in one lane of a warp, always the same.
__device__ __forceinline__ bool elect_lane() {
  uint32_t elected;
  asm volatile("{ .reg .pred elected; elect.sync _|elected, 0xffffffff; selp.u32 %0, 1, 0, elected; }"
               : "=r"(elected));
  return elected != 0;
}

/// Counts this thread at barrier `id` of the block without waiting: others wait for it in `named_barrier`.
__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// All warps of a warpgroup give up registers, so that each thread keeps `Count`, a multiple of 8.
template <int Count>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}

/// All warps of a warpgroup wait until others have given up enough registers for each thread to have `Count`.
template <int Count>
__device__ __forceinline__ void claim_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

}  // namespace attention

#endif
