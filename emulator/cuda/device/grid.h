#pragma once
// What the files of the emulator share: the running grid, its stacks and its faults.

#include <bit>
#include <cstdint>
#include <string>

#include "fibers.h"

namespace attention::emulator {

constexpr size_t stack_bytes = 128 * 1024;  // the lowest page is a guard
constexpr size_t page_bytes = 4096;
constexpr size_t most_shared_bytes = 256 * 1024;

/// Memory of the grid that runs. One runs at a time.
struct Grid {
  unsigned char* stacks = nullptr;  // of most_threads threads, then one for faults
  unsigned char* shared = nullptr;  // most_shared_bytes and a guard
  Fiber fibers[most_threads];
  Warp warps[most_warps];
  Barrier barriers[most_barriers];
  Copy* copies = nullptr;     // most_copies of each thread
  bool reversed = false;
  bool running = false;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  void* return_to = nullptr;  // stack pointer of the launch
  std::string error;
};
extern Grid grid;

/// Where the linker puts `__shared__` variables.
extern "C" {
extern unsigned char shared_variables_begin[] asm("__start_attention_shared")
    __attribute__((weak, visibility("hidden")));
extern unsigned char shared_variables_end[] asm("__stop_attention_shared") __attribute__((weak, visibility("hidden")));
}

/// Where a fiber begins.
void run_thread();

/// The next set bit after `last`, around the end; before it in reversed order. `bits` is not 0.
inline unsigned next_of(unsigned bits, unsigned last) {
  if (grid.reversed) {
    const unsigned below = bits & ((1u << last) - 1);
    return 31 - std::countl_zero(below ? below : bits);
  }
  const unsigned above = bits & (~0u << last << 1);
  return std::countr_zero(above ? above : bits);
}

/// Abandons the launch with a message that already says where.
[[noreturn]] void abandon(std::string message);
/// `rms_norm.cuh:12`
std::string place(const Site& site);
/// Block and thread that run.
std::string position();

/// Turns faults of kernels into errors while it lives.
class FaultHandlers {
 public:
  FaultHandlers();
  ~FaultHandlers();
  FaultHandlers(const FaultHandlers&) = delete;
  FaultHandlers& operator=(const FaultHandlers&) = delete;

 private:
  struct Saved;
  Saved* saved_;
};

/// What an address is to the allocations of the device: `16 bytes past the end of 64 bytes of device memory`.
std::string describe_address(const void* address);

}  // namespace attention::emulator
