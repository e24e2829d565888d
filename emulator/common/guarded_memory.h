#pragma once
// Memory between pages without access, so that an overrun faults.

#include <cstddef>

namespace attention::emulator {

constexpr size_t page_bytes = 4096;

/// Pages of zeros that take no memory until they are written, aligned to `alignment`, a multiple of a page's bytes.
/// Throws std::bad_alloc.
class Pages {
 public:
  Pages() = default;
  explicit Pages(size_t bytes, size_t alignment = page_bytes);
  ~Pages();
  Pages(Pages&& other) noexcept : begin_(other.begin_), bytes_(other.bytes_) { other.begin_ = nullptr; }
  Pages& operator=(Pages&& other) noexcept;
  unsigned char* begin() const { return begin_; }
  size_t bytes() const { return bytes_; }
  /// Takes access to one page away.
  void guard(size_t offset);

 private:
  unsigned char* begin_ = nullptr;
  size_t bytes_ = 0;
};

/// `bytes` of memory that end, rounded up to 16, at a guard page; before it there is one too.
class GuardedMemory {
 public:
  GuardedMemory() = default;
  explicit GuardedMemory(size_t bytes);
  unsigned char* begin() const { return begin_; }

 private:
  Pages pages_;
  unsigned char* begin_ = nullptr;
};

constexpr size_t round_up(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

}  // namespace attention::emulator
