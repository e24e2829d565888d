#pragma once
// Hopper-only instructions (sm_90a) except its matrix products, which are in wgmma.cuh: mbarriers that count bytes, box
// copies of a tensor by the copy engine (TMA), and the exchange of registers between warps.
//
// Two "proxies" access shared memory: the generic one (threads) and the async one (copy engine and warpgroup products).
// Neither sees the other's writes without a fence: `fence_async_proxy` after writes by threads, a barrier with expected
// bytes after writes by the copy engine.

#include <cstdint>

#include "common/ptx.cuh"
#include "common/tensor_map.h"

#ifdef ATTENTION_CUDA_EMULATOR
#include "hopper_emulated.h"
#else

namespace attention {

constexpr int warpgroup_size = 128;

/// 1 if the current compilation pass targets sm_90a and may use the instructions below.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define ATTENTION_HOPPER 1
#else
#define ATTENTION_HOPPER 0
#endif

/// Initializes an mbarrier in shared memory. A phase completes after `arrivals` arrivals and once all expected bytes
/// have been copied. Called by one thread, before `publish_barriers` and a __syncthreads().
__device__ __forceinline__ void init_barrier(uint64_t& barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(arrivals) : "memory");
}

/// Makes initialized barriers visible to the copy engine.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/// Arrives at the barrier. Threads that wait for the phase see this thread's earlier writes.
__device__ __forceinline__ void arrive(uint64_t& barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&barrier)) : "memory");
}

/// Arrives, and makes the phase wait for `bytes` more copied bytes. These may arrive before or after this call.
__device__ __forceinline__ void arrive_expecting(uint64_t& barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)), "r"(bytes)
               : "memory");
}

/// Waits until the phase with this parity is complete. Phases count from 0, and the barrier must be in that phase or
/// the next. So on a new barrier, parity 0 waits for the first phase and parity 1 returns at once.
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

/// Coordinates of a box's first element, innermost first.
struct BoxStart {
  int element[tensor_map_rank];
};

/// Starts the copy of a box to shared memory, which must be aligned to 1,024 bytes. Called by one thread. Elements
/// outside the tensor, in any dimension and on either side, become zeros. `barrier` counts the bytes of the whole box,
/// zeros included.
__device__ __forceinline__ void copy_box(void* shared, const TensorMap& map, uint64_t& barrier, const BoxStart& start) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(&barrier)), "r"(start.element[0]), "r"(start.element[1]), "r"(start.element[2]),
      "r"(start.element[3]), "r"(start.element[4])
      : "memory");
}

/// Prefetches a tensor map that is a kernel parameter.
__device__ __forceinline__ void prefetch_tensor_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

/// Makes this thread's writes to shared memory visible to products and the copy engine. The writing threads must then
/// synchronize with the thread that starts those.
__device__ __forceinline__ void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/// True in exactly one lane of the warp, always the same.
__device__ __forceinline__ bool elect_lane() {
  uint32_t elected;
  asm volatile("{ .reg .pred elected; elect.sync _|elected, 0xffffffff; selp.u32 %0, 1, 0, elected; }"
               : "=r"(elected));
  return elected != 0;
}

/// Arrives at barrier `id` of the block without waiting; others wait in `named_barrier`.
__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/// Reduces the registers per thread to `Count`, a multiple of 8. All warps of a warpgroup call it.
template <int Count>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}

/// Raises the registers per thread to `Count`, and waits until other warpgroups have released enough. All warps of a
/// warpgroup call it.
template <int Count>
__device__ __forceinline__ void claim_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

}  // namespace attention

#endif
