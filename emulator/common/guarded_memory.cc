#include "guarded_memory.h"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace attention::emulator {

Pages::Pages(size_t bytes, size_t alignment) : bytes_(round_up(bytes, page_bytes)) {
  const size_t spare = alignment - page_bytes;
  void* memory =
      mmap(nullptr, bytes_ + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* all = static_cast<unsigned char*>(memory);
  begin_ = all + (alignment - reinterpret_cast<size_t>(all) % alignment) % alignment;
  if (begin_ != all) munmap(all, size_t(begin_ - all));
  const size_t rest = size_t(all + spare - begin_);
  if (rest) munmap(begin_ + bytes_, rest);
}

Pages::~Pages() {
  if (begin_) munmap(begin_, bytes_);
}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(begin_, other.begin_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Pages::guard(size_t offset) { mprotect(begin_ + offset, page_bytes, PROT_NONE); }

GuardedMemory::GuardedMemory(size_t bytes) : pages_(round_up(bytes, page_bytes) + 2 * page_bytes) {
  pages_.guard(0);
  pages_.guard(pages_.bytes() - page_bytes);
  begin_ = pages_.begin() + pages_.bytes() - page_bytes - round_up(bytes, 16);
}

}  // namespace attention::emulator
