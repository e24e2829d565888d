#pragma once
// In place of the CUDA toolkit's: CUDA sources as plain C++ for the emulator.

#define ATTENTION_CUDA_EMULATOR_RUNTIME 1
#ifdef ATTENTION_CUDA_KERNELS_TELL_ACCESSES
#include "redirected.h"
#endif

#define __host__
#define __device__
#define __global__
#define __constant__
#define __managed__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__  // empty, for the standard library writes __attribute__((__noinline__))
#define __align__(n) __attribute__((aligned(n)))
// All shared variables lie in one section, which is filled with NaN before a block runs.
#define __shared__ static __attribute__((section("attention_shared")))

#include "vector_types_emulated.h"

#include "cuda_runtime_api.h"

#include "../device/atomics.h"
#include "../device/block.h"
#include "../device/math.h"
#include "../device/warp.h"

namespace attention::emulator {
inline uint3 indices_of(const Triple& triple) { return {triple.x, triple.y, triple.z}; }
inline dim3 sizes_of(const Triple& triple) { return {triple.x, triple.y, triple.z}; }
}  // namespace attention::emulator

#define threadIdx (::attention::emulator::indices_of(::attention::emulator::current().position))
#define blockIdx (::attention::emulator::indices_of(::attention::emulator::block.position))
#define blockDim (::attention::emulator::sizes_of(::attention::emulator::block.size))
#define gridDim (::attention::emulator::sizes_of(::attention::emulator::block.count))
#define warpSize 32
