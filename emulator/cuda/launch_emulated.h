#pragma once
// Launches on the emulator.

#include <cstddef>
#include <memory>
#include <type_traits>

#include <cuda_runtime.h>

#include "device/runtime.h"

namespace attention {

namespace emulator {
/// Runs `body(argument)` as every thread of every block, one block after another. Throws a DeviceError that says what a
/// GPU would not have forgiven.
void run_grid(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, void (*body)(void*), void* argument);
}  // namespace emulator

/// `body` runs once per thread; see run_grid.
template <typename Body>
void launch_emulated(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  emulator::run_grid(
      shared_limit, blocks, threads, shared_bytes, [](void* argument) { (*static_cast<Plain*>(argument))(); },
      const_cast<std::remove_const_t<Plain>*>(std::addressof(body)));
}

/// The dynamic shared memory of the block, aligned to 128 bytes.
inline void* emulated_shared_memory() { return emulator::block.shared; }

}  // namespace attention
