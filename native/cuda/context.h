#pragma once
// A device as one backend uses it: a stream on which everything runs in order, a memory pool, pinned staging memory.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/launch.h"
#include "pinned_memory.h"

namespace attention::cuda {

struct MemoryFigures {
  uint64_t used;         // bytes in allocations
  uint64_t reserved;     // bytes that the pool holds, those in use and those kept for reuse
  uint64_t pinned;       // bytes in pinned allocations
  uint64_t staging;      // bytes of pinned memory that copies go through
  uint64_t device_free;  // of the whole device, as the driver tells it
  uint64_t device_total;
};

struct ContextOptions {
  int ordinal = 0;
  int architecture = 0;  // kernels for it are chosen, 80 for compute capability 8.0; 0: the device's own
  int splits = 0;        // of the keys in attention; 0: launchers decide
};

/// Used from one thread at a time, that of its JavaScript. Errors are DeviceErrors.
class Context {
 public:
  /// Throws ERR_NO_DRIVER, ERR_DRIVER_TOO_OLD, ERR_NO_DEVICE or ERR_ARCH with the fix.
  explicit Context(const ContextOptions& options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const LaunchContext& launch_context() const { return launch_; }
  /// Counts in `use` from now on.
  void count_in(std::shared_ptr<MemoryUse> use) { launch_.memory_use = std::move(use); }
  /// Calls `release` before it says that there is no device memory: it gives back what is kept for reuse elsewhere.
  void on_low_memory(std::function<void()> release) { launch_.release_spare = std::move(release); }
  const std::string& device_name() const { return device_name_; }
  int driver_version() const { return driver_version_; }

  /// Makes the device that of the calling thread.
  void make_current() const;

  /// Device memory of undefined content, null for 0 bytes. Throws ERR_OUT_OF_MEMORY with what was needed and is free; the
  /// context goes on working.
  void* allocate(size_t bytes);
  /// Gives memory back once what was launched before is done with it.
  void free(void* address);
  /// Pinned memory, which kernels reach under the same address.
  void* allocate_pinned(size_t bytes);
  void free_pinned(void* address);

  /// Throws ERR_RANGE unless an allocation of at least `bytes` bytes starts at `address`; null has 0 bytes.
  void check_allocated(const void* address, size_t bytes, const char* name) const;

  /// Copies `bytes` from the caller's memory, which is free to change when this returns.
  void upload(void* to, const void* from, size_t bytes);
  void fill(void* to, int byte, size_t bytes);
  /// Blocks until the bytes are there.
  void download(void* to, const void* from, size_t bytes);
  /// Starts a copy into pinned memory, which has arrived when `wait` of the result returns.
  std::shared_ptr<PinnedBuffer> start_download(const void* from, size_t bytes);
  void finish_download(std::shared_ptr<PinnedBuffer> buffer);

  void wait();
  /// Gives the memory that is kept for reuse back to the device.
  void trim();
  MemoryFigures memory() const;

  /// Notes an operation that was launched, for the message of a fault that shows up later.
  void note_launch(const std::string& name);
  /// The error's message; if the device has failed, with the operations launched last, one of which may be the cause.
  std::string explain(const DeviceError& error) const;
  bool is_synchronous() const { return is_synchronous_; }

 private:
  Context() = default;
  /// `; launched last: …`, or nothing if the failed launch is known.
  std::string suspects() const;

  LaunchContext launch_;
  std::string device_name_;
  int driver_version_ = 0;
  bool is_synchronous_ = false;  // ATTENTION_CUDA_SYNC=1
  PinnedMemory pinned_;
  std::unordered_map<const void*, size_t> allocations_;
  std::unordered_map<const void*, size_t> pinned_allocations_;
  uint64_t pinned_bytes_ = 0;
  std::array<std::string, 8> recent_;  // names since the last wait, newest last
  size_t launches_ = 0;
};

}  // namespace attention::cuda
