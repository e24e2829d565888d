#pragma once
// Runs one block after another on stacks of its own, and says what went wrong in one.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "guarded_memory.h"
#include "races.h"
#include "threads.h"

namespace attention::emulator {

/// A fault of the CPU in a kernel.
struct Fault {
  const Thread* thread;
  int signal;
  const unsigned char* address;
  const unsigned char* instruction;
  bool is_watched;  // it computes with the NaN that is watched
};

/// `(1, 2, 3)`.
std::string text_of(const Triple& triple);

class BlockRunner : public Host {
 public:
  /// Of memories whose accesses are ordered separately: a barrier orders those whose bits its `order` has.
  explicit BlockRunner(unsigned memories);
  BlockRunner(const BlockRunner&) = delete;

  /// The threads of a block of `size`, numbered; each begins with `start`, which ends with finish_thread.
  void prepare(Block& block, Triple size, void (*start)());
  /// Runs the block until all threads have returned. Returns what went wrong; empty: nothing.
  std::string run(Block& block);
  /// Runs the block no further; `message` says what went wrong and where.
  [[noreturn]] void abandon(std::string message);

  void fail(const Thread& self, const Site& site, const char* message) final;
  void diverged(const Thread& self, const Site& site, const Site& other) final;
  void idle(Block& block) final;
  void joined(Warp& warp, unsigned mask) final;
  void arrived(Barrier& barrier, Thread& thread) final;
  void completed(Barrier& barrier) final;

  /// Ends the block if the access races. The instruction is the one after the access.
  void check_race(unsigned memory, const Thread& self, const Access& access, const char* name);
  /// `message`, the line of the instruction, and the thread.
  [[noreturn]] void fail_at(const Thread& self, const std::string& message, const void* instruction);

  bool owns_stack(const void* address) const {
    return address >= region_.begin() && address < region_.begin() + region_bytes;
  }
  const Thread* thread_of(const void* stack_pointer) const {
    const size_t slot = size_t(static_cast<const unsigned char*>(stack_pointer) - region_.begin()) / stack_bytes;
    return slot < first_stack || slot >= first_stack + most_threads ? nullptr : &threads()[slot - first_stack];
  }
  Thread* threads() const { return reinterpret_cast<Thread*>(region_.begin()); }
  [[noreturn]] void faulted(const Fault& fault);
  void* fault_stack() const { return stack_end(most_threads); }

  /// From now on a computation with a float of these bits, a signalling NaN, ends the block: it uses `what`. Needs x86-64.
  void watch_nan(uint32_t bits, const char* what);
  void watch_no_nan();
  uint32_t watched_nan() const { return watched_nan_; }

  std::vector<RaceDetector> races;  // of each memory

 protected:
  ~BlockRunner() = default;
  /// What an address that a kernel must not access is to the memory it may: ` 16 bytes past the end of …`.
  virtual std::string describe_address(const void* address) const = 0;
  /// Does what is under way besides threads; true if that woke one.
  virtual bool wake_some() { return false; }
  /// What else to say of threads that wait for each other.
  virtual std::string describe_waits() const { return ""; }
  virtual const char* block_word() const { return "block"; }

 private:
  Pages region_;
  void (*start_)() = nullptr;
  unsigned guarded_ = 0;
  uint32_t watched_nan_ = 0;
  const char* watched_what_ = "";
  Block* block_ = nullptr;
  std::string error_;
  std::vector<std::array<Released, most_barriers>> barriers_;  // of each memory

  unsigned char* stack_end(unsigned thread) const {
    return region_.begin() + (thread + first_stack + 1) * stack_bytes;
  }
  std::string position(const Thread* thread) const;
  std::string deadlock_text(const Block& block) const;
};

/// Faults of the CPU in blocks that `runner` runs on this thread are errors of theirs while it lives.
class FaultHandlers {
 public:
  explicit FaultHandlers(BlockRunner& runner);
  ~FaultHandlers();
  FaultHandlers(const FaultHandlers&) = delete;
  FaultHandlers& operator=(const FaultHandlers&) = delete;

 private:
  struct Saved;
  std::unique_ptr<Saved> saved_;
};

}  // namespace attention::emulator
