// Linked to a checked shader: tells the emulator each access to memory.

#include "threadgroup.h"

extern "C" {
mtl::Accessed* attention_metal_accessed = nullptr;
}

namespace attention::emulator {
static void accessed(const void* address, size_t bytes, bool writes, const void* instruction) {
  if (!attention_metal_accessed) return;
  attention_metal_accessed(address, bytes, writes ? mtl::AccessKind::write : mtl::AccessKind::read, instruction);
}
}  // namespace attention::emulator

namespace mtl {
void check_atomic(const volatile void* address, unsigned bytes, bool writes) {
  // An atomic read-modify-write also reads what must have been stored before; a store alone initialises.
  if (!attention_metal_accessed) return;
  attention_metal_accessed(const_cast<const void*>(address), bytes,
                           writes ? AccessKind::atomic_write : AccessKind::atomic_read, __builtin_return_address(0));
}
}  // namespace mtl

#include "instrumented.h"
