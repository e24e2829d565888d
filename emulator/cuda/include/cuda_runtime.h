#pragma once
// In place of the CUDA toolkit's: CUDA sources as plain C++ for the emulator.

#define ATTENTION_CUDA_EMULATOR_RUNTIME 1

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
#include "../device/fibers.h"
#include "../device/math.h"
#include "../device/warp.h"

#define threadIdx (::attention::emulator::state.current->position)
#define blockIdx (::attention::emulator::state.block)
#define blockDim (::attention::emulator::state.threads)
#define gridDim (::attention::emulator::state.blocks)
#define warpSize 32
