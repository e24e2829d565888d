// What kernels call that were compiled with -fsanitize=thread, but not linked with the sanitizer: clang puts a call before
// each access to memory. Included once in a program, after a definition of
//   void attention::emulator::accessed(const void* address, size_t bytes, bool writes, const void* instruction)

#include <cstddef>
#include <cstring>

#define ATTENTION_ACCESS_AS(name, bytes, writes) \
  void name(void* address) { attention::emulator::accessed(address, bytes, writes, __builtin_return_address(0)); }
#define ATTENTION_ACCESS(bytes)                                   \
  ATTENTION_ACCESS_AS(__tsan_read##bytes, bytes, false)            \
  ATTENTION_ACCESS_AS(__tsan_write##bytes, bytes, true)            \
  ATTENTION_ACCESS_AS(__tsan_unaligned_read##bytes, bytes, false)  \
  ATTENTION_ACCESS_AS(__tsan_unaligned_write##bytes, bytes, true)  \
  ATTENTION_ACCESS_AS(__tsan_volatile_read##bytes, bytes, false)   \
  ATTENTION_ACCESS_AS(__tsan_volatile_write##bytes, bytes, true)

extern "C" {

ATTENTION_ACCESS(1)
ATTENTION_ACCESS(2)
ATTENTION_ACCESS(4)
ATTENTION_ACCESS(8)
ATTENTION_ACCESS(16)

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// Kernels call these by the names of the C library: see redirected.h.
void* attention_memcpy(void* to, const void* from, size_t bytes) {
  if (bytes) {
    attention::emulator::accessed(from, bytes, false, __builtin_return_address(0));
    attention::emulator::accessed(to, bytes, true, __builtin_return_address(0));
  }
  return std::memcpy(to, from, bytes);
}
void* attention_memmove(void* to, const void* from, size_t bytes) {
  if (bytes) {
    attention::emulator::accessed(from, bytes, false, __builtin_return_address(0));
    attention::emulator::accessed(to, bytes, true, __builtin_return_address(0));
  }
  return std::memmove(to, from, bytes);
}
void* attention_memset(void* to, int value, size_t bytes) {
  if (bytes) attention::emulator::accessed(to, bytes, true, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}
}

#undef ATTENTION_ACCESS
#undef ATTENTION_ACCESS_AS
