#pragma once
// Pinned memory that copies go through, kept for reuse.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

namespace attention::cuda {

/// Pinned memory, which kernels reach under the same address. Throws ERR_OUT_OF_MEMORY.
void* allocate_pinned(size_t bytes);

/// Pinned memory and an event that tells when the device is done with it.
class PinnedBuffer {
 public:
  /// Counts its bytes in `counter` while it lives.
  PinnedBuffer(size_t bytes, std::shared_ptr<uint64_t> counter);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  /// The device is done when what was launched before is done.
  void record(cudaStream_t stream);
  bool is_done();
  /// Whether that was seen already.
  bool is_known_done() const { return is_known_done_; }
  /// Blocks until then. Any thread may call it.
  cudaError_t wait() const;

 private:
  void* data_ = nullptr;
  size_t bytes_;
  std::shared_ptr<uint64_t> counter_;
  cudaEvent_t done_ = nullptr;
  bool is_known_done_ = false;
};

/// Of one stream.
class PinnedMemory {
 public:
  /// A buffer of at least `bytes` that the device is done with.
  std::shared_ptr<PinnedBuffer> take(size_t bytes);
  /// Keeps a buffer for reuse once the device is done with it. A buffer that may still be in use must have been recorded after
  /// all that are kept. Frees large buffers instead, and the oldest ones if there are too many.
  void put_back(std::shared_ptr<PinnedBuffer> buffer);
  /// Frees what is kept.
  void trim();
  /// In all buffers, those that were taken too.
  uint64_t bytes() const { return *bytes_; }

 private:
  static constexpr size_t largest_kept_ = 16 << 20;
  static constexpr size_t most_kept_bytes_ = 64 << 20;
  std::shared_ptr<uint64_t> bytes_ = std::make_shared<uint64_t>(0);
  std::deque<std::shared_ptr<PinnedBuffer>> kept_;  // oldest first
  size_t kept_bytes_ = 0;
};

}  // namespace attention::cuda
