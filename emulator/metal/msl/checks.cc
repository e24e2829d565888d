// What a checked shader calls before every access to memory: clang's -fsanitize=thread puts the calls there, and these
// functions, not the sanitizer's, answer them.

#include <initializer_list>

#include "fiber.h"

extern "C" {
bool attention_metal_running = false;
// The shader's own constants, from the linker.
extern char __ehdr_start __attribute__((visibility("hidden")));
extern char _end __attribute__((visibility("hidden")));
void* __real_memcpy(void*, const void*, std::size_t);
void* __real_memmove(void*, const void*, std::size_t);
void* __real_memset(void*, int, std::size_t);
}

namespace mtl {

namespace {

using Address = const unsigned char*;

unsigned put_bytes(char* text, unsigned at, bool writes, unsigned bytes) {
  at = put(text, at, writes ? "writes " : "reads ");
  at = put(text, at, bytes);
  return put(text, at, bytes == 1 ? " byte" : " bytes");
}

[[noreturn]] __attribute__((noinline, cold)) void outside(const Fiber& self, Address address, unsigned bytes, bool writes,
                                                          const void* instruction) {
  const Threadgroup& group = *self.threadgroup;
  char text[512];
  unsigned at = put(text, 0, "out of bounds: ");
  at = put_bytes(text, at, writes, bytes);
  if (address < reinterpret_cast<Address>(4096)) {
    put(text, at, " at a null pointer");
  } else if (address >= group.memory && address < group.memory + group.memory_used + 4096) {
    put(text, at, " outside the arrays in threadgroup memory");
  } else {
    // The nearest thing that it may have meant.
    std::uintptr_t best = ~std::uintptr_t(0);
    const Range* nearest = nullptr;
    for (const Range* range = group.ranges; range != group.ranges_end; ++range) {
      const std::uintptr_t distance =
          address < range->begin ? std::uintptr_t(range->begin - address) : std::uintptr_t(address - range->end);
      if (distance < best) {
        best = distance;
        nearest = range;
      }
    }
    if (nearest && best < (std::uintptr_t(1) << 30)) {
      at = put(text, at, ", ");
      at = put(text, at, unsigned(best));
      at = put(text, at, address < nearest->begin ? " bytes before the start of " : " bytes behind the end of ");
      at = put(text, at, group.range_names[nearest - group.ranges]);
      at = put(text, at, ", whose length is ");
      put(text, at, unsigned(nearest->end - nearest->begin));
    } else {
      put(text, at, " far from every buffer");
    }
  }
  group.fail(self, text, instruction);
}

[[noreturn]] __attribute__((noinline, cold)) void fail_memory(const Fiber& self, const char* what, unsigned offset, bool writes,
                                                              unsigned bytes, unsigned other, const void* instruction) {
  char text[512];
  unsigned at = put(text, 0, what);
  at = put_bytes(text, at, writes, bytes);
  at = put(text, at, " of threadgroup memory at ");
  at = put(text, at, offset);
  if (other != ~0u) {
    at = put(text, at, ", which thread ");
    at = put(text, at, other);
    put(text, at, " of the threadgroup accesses with no barrier between");
  }
  self.threadgroup->fail(self, text, instruction);
}

/// Two accesses by different threads with nothing that orders them.
bool conflict(const Fiber& self, const Shadow::Access& access) {
  const Threadgroup& group = *self.threadgroup;
  if (access.interval != group.interval || access.thread == self.index) return false;
  const bool same_simdgroup = access.thread / simd_width == self.index / simd_width;
  return !same_simdgroup || access.generation == self.simdgroup->generation;
}

void threadgroup_access(const Fiber& self, Address address, unsigned bytes, bool writes, bool atomic, const void* instruction) {
  Threadgroup& group = *self.threadgroup;
  const auto offset = static_cast<unsigned>(address - group.memory);
  const Shadow::Access access{group.interval, self.simdgroup->generation, self.index};
  for (unsigned i = 0; i < bytes; ++i) {
    Shadow& shadow = group.shadow[offset + i];
    if (!writes && !shadow.written) fail_memory(self, "uninitialised: ", offset, writes, bytes, ~0u, instruction);
    if (!atomic) {
      if (conflict(self, shadow.write)) {
        fail_memory(self, "race: ", offset, writes, bytes, shadow.write.thread, instruction);
      }
      if (writes) {
        for (const Shadow::Access* read : {&shadow.read, &shadow.read_in_simdgroup, &shadow.read_elsewhere}) {
          if (conflict(self, *read)) fail_memory(self, "race: ", offset, writes, bytes, read->thread, instruction);
        }
      }
    }
    if (writes) {
      if (!atomic) shadow.write = access;
      shadow.written = true;
    } else if (!atomic) {
      if (shadow.read.thread != access.thread) {
        (shadow.read.thread / simd_width == access.thread / simd_width ? shadow.read_in_simdgroup : shadow.read_elsewhere) =
            shadow.read;
      }
      shadow.read = access;
    }
  }
}

inline void check(const volatile void* pointer, std::size_t bytes, bool writes, bool atomic, const void* instruction) {
  if (!attention_metal_running) return;
  const Fiber& self = current();
  const Threadgroup& group = *self.threadgroup;
  const auto address = const_cast<Address>(static_cast<const volatile unsigned char*>(pointer));
  if (address >= group.memory && address < group.memory + group.memory_used) {
    // Arrays are apart by gaps, so that what runs over the end of one does not meet the next.
    if (address + bytes > group.memory + group.memory_used) outside(self, address, unsigned(bytes), writes, instruction);
    if (group.shadow[address - group.memory].gap || group.shadow[address - group.memory + bytes - 1].gap) {
      outside(self, address, unsigned(bytes), writes, instruction);
    }
    return threadgroup_access(self, address, unsigned(bytes), writes, atomic, instruction);
  }
  for (const Range* range = group.ranges; range != group.ranges_end; ++range) {
    if (address >= range->begin && address + bytes <= range->end) return;
  }
  if (address >= reinterpret_cast<Address>(&__ehdr_start) && address + bytes <= reinterpret_cast<Address>(&_end)) return;
  outside(self, address, unsigned(bytes), writes, instruction);
}

}  // namespace

void check_atomic(const volatile void* address, unsigned bytes, bool writes) {
  // An atomic read-modify-write also reads what must have been stored before; a store alone initialises.
  check(address, bytes, writes, true, __builtin_return_address(0));
}

}  // namespace mtl

#define MTL_ACCESS(bytes)                                                                                          \
  void __tsan_read##bytes(void* p) { mtl::check(p, bytes, false, false, __builtin_return_address(0)); }            \
  void __tsan_write##bytes(void* p) { mtl::check(p, bytes, true, false, __builtin_return_address(0)); }            \
  void __tsan_unaligned_read##bytes(void* p) { mtl::check(p, bytes, false, false, __builtin_return_address(0)); }  \
  void __tsan_unaligned_write##bytes(void* p) { mtl::check(p, bytes, true, false, __builtin_return_address(0)); }  \
  void __tsan_volatile_read##bytes(void* p) { mtl::check(p, bytes, false, false, __builtin_return_address(0)); }   \
  void __tsan_volatile_write##bytes(void* p) { mtl::check(p, bytes, true, false, __builtin_return_address(0)); }

extern "C" {

MTL_ACCESS(1)
MTL_ACCESS(2)
MTL_ACCESS(4)
MTL_ACCESS(8)
MTL_ACCESS(16)

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define MTL_COPY(name, real)                                                         \
  void* name(void* to, const void* from, std::size_t bytes) {                        \
    if (bytes) {                                                                     \
      mtl::check(from, bytes, false, false, __builtin_return_address(0));            \
      mtl::check(to, bytes, true, false, __builtin_return_address(0));               \
    }                                                                                \
    return real(to, from, bytes);                                                    \
  }
MTL_COPY(__wrap_memcpy, __real_memcpy)
MTL_COPY(__tsan_memcpy, __real_memcpy)
MTL_COPY(__wrap_memmove, __real_memmove)
MTL_COPY(__tsan_memmove, __real_memmove)
#define MTL_FILL(name)                                                               \
  void* name(void* to, int value, std::size_t bytes) {                               \
    if (bytes) mtl::check(to, bytes, true, false, __builtin_return_address(0));      \
    return __real_memset(to, value, bytes);                                          \
  }
MTL_FILL(__wrap_memset)
MTL_FILL(__tsan_memset)
}
