// Accesses of kernels that were compiled with ATTENTION_CUDA_CHECKED.

#include "grid.h"

namespace attention::emulator {

namespace {

void check(const void* address, size_t bytes, bool writes, bool atomic, const void* instruction) {
  if (!block.checked || !grid().owns_stack(__builtin_frame_address(0))) return;
  const Thread& self = current();
  const bool shared = is_shared(address, 1);
  grid().check_race(0, self, {address, bytes, writes, atomic, instruction}, shared ? "shared memory" : "device memory");
}

}  // namespace

void accessed(const void* address, size_t bytes, bool writes, const void* instruction) {
  check(address, bytes, writes, false, instruction);
}

void accessed_atomically(const void* address, size_t bytes, const void* instruction) {
  check(address, bytes, true, true, instruction);
}

}  // namespace attention::emulator

#ifdef ATTENTION_CUDA_CHECKED
#include "instrumented.h"
#endif
