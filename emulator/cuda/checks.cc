// Accesses of kernels that were compiled with ATTENTION_CUDA_CHECKED.

#include <algorithm>

#include "hopper.h"
#include "symbols.h"

namespace attention::emulator {

namespace {

std::string name_of(const Site& site) { return std::string(site.function) + " (" + place(site.file, site.line) + ")"; }

/// Accesses to what copies of boxes and products use while they are under way.
void check_background(const Thread& self, const unsigned char* at, size_t bytes, bool writes, const void* instruction) {
  const Hopper& background = hopper();
  if (const BoxCopy* copy = background.copy_to(at, bytes)) {
    grid().fail_at(self,
                   std::string("a thread ") + (writes ? "writes" : "reads") + " where a box of " + name_of(copy->place) +
                       " has not arrived: it was not waited for",
                   instruction);
  }
  const Product* product = writes ? background.product_of(at, bytes) : nullptr;
  if (product) {
    grid().fail_at(self, "a thread writes what " + name_of(product->place) + " may still read: it was not waited for",
                   instruction);
  }
}

void check_race(const Thread& self, const Access& access) {
  grid().check_race(0, self, access, is_shared(access.address, 1) ? "shared memory" : "device memory");
}

void check(const void* address, size_t bytes, bool writes, bool atomic, const void* instruction) {
  if (!block.checked || !grid().owns_stack(__builtin_frame_address(0))) return;
  const Thread& self = current();
  const auto* at = static_cast<const unsigned char*>(address);
  if (hopper().used) check_background(self, at, bytes, writes, instruction);
  if (writes) hopper().note_write(self, at, bytes, instruction);
  const unsigned char* shared_end = block.shared + block.shared_bytes;
  if (at >= block.shared && at < grid().shared_end() && at + bytes > shared_end) {
    grid().fail_at(self,
                   "an access " + std::to_string(std::max(at, shared_end) - shared_end) + " bytes past the end of " + std::to_string(block.shared_bytes) + " bytes of shared memory",
                   instruction);
  }
  check_race(self, {address, bytes, writes, atomic, instruction});
}

}  // namespace

void accessed(const void* address, size_t bytes, bool writes, const void* instruction) {
  check(address, bytes, writes, false, instruction);
}

void accessed_in_background(const void* address, size_t bytes, bool writes, const void* instruction) {
  if (block.checked) check_race(current(), {address, bytes, writes, false, instruction});
}

void accessed_atomically(const void* address, size_t bytes, const void* instruction) {
  check(address, bytes, true, true, instruction);
}

}  // namespace attention::emulator

#ifdef ATTENTION_CUDA_CHECKED
#include "instrumented.h"
#endif
