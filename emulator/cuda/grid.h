#pragma once
// What the files of the emulator share: the grid that runs.

#include "block_runner.h"
#include "device/block.h"

namespace attention::emulator {

constexpr size_t most_shared_bytes = 256 * 1024;
constexpr unsigned most_copies = 1024;  // in flight, of a thread

/// A copy that is not there until the thread waits for it.
struct Copy {
  void* to;
  const void* from;
  unsigned bytes;  // of `from`; the rest of 16 are zeros
  unsigned group;
  const void* instruction;
};

/// The copies of a thread: a ring.
struct Copies {
  unsigned first, end, group;
  Copy* ring;
};

class Grid final : public BlockRunner {
 public:
  Grid();
  unsigned char* shared_end() const { return shared_.begin() + page_bytes + most_shared_bytes; }
  Copies& copies_of(const Thread& thread) { return copies_[thread.index]; }
  void clear_block();
  /// What the block did that shows only when it has ended; empty: nothing.
  std::string leftover() const;

  void (*body)(void*) = nullptr;
  void* argument = nullptr;

 private:
  Pages shared_, rings_;
  Copies copies_[most_threads];

  std::string describe_address(const void* address) const override;
  bool wake_some() override;
  std::string describe_waits() const override;
};
Grid& grid();

#ifdef ATTENTION_CUDA_CHECKED
constexpr bool is_instrumented = true;  // kernels tell their accesses
#else
constexpr bool is_instrumented = false;
#endif

/// Where the linker puts `__shared__` variables.
extern "C" {
extern unsigned char shared_variables_begin[] asm("__start_attention_shared")
    __attribute__((weak, visibility("hidden")));
extern unsigned char shared_variables_end[] asm("__stop_attention_shared") __attribute__((weak, visibility("hidden")));
}

/// What an address is to the allocations of the device: `16 bytes past the end of 64 bytes of device memory`.
std::string describe_device_address(const void* address);
/// Whether an allocation made with ATTENTION_CUDA_CHECKED=1 has the page, and nothing else does.
bool is_checked_page(const void* page);

}  // namespace attention::emulator
