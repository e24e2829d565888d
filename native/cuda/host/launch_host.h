#pragma once
// Launches on the host device.

#include <cstddef>
#include <memory>
#include <type_traits>

#include <cuda_runtime.h>

#include "device/runtime.h"

namespace attention {

namespace host {
/// Runs `body(argument)` as every thread of every block, one block after another. Throws a DeviceError that says what a
/// GPU would not have forgiven.
void run_grid(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, void (*body)(void*), void* argument);
}  // namespace host

/// `body` runs once per thread; see run_grid.
template <typename Body>
void launch_on_host(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  host::run_grid(
      shared_limit, blocks, threads, shared_bytes, [](void* argument) { (*static_cast<Plain*>(argument))(); },
      const_cast<std::remove_const_t<Plain>*>(std::addressof(body)));
}

/// The dynamic shared memory of the block, aligned to 128 bytes.
inline void* host_shared_memory() { return host::state.shared; }

}  // namespace attention
