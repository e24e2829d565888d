#pragma once
// Pinned host memory that copies go through, kept for reuse.

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace attention::cuda {

/// Pinned host memory, which kernels reach under the same address. Throws ERR_OUT_OF_MEMORY.
void* allocate_pinned(size_t bytes);

/// Pinned memory and an event that tells when the device is done with it.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  /// The device is done when what was launched before is done.
  void record(cudaStream_t stream);
  bool is_done() const;
  /// Blocks until then. Any thread may call it.
  cudaError_t wait() const;

 private:
  void* data_ = nullptr;
  size_t bytes_;
  cudaEvent_t done_ = nullptr;
};

class PinnedMemory {
 public:
  /// A buffer of at least `bytes` that the device is done with.
  std::unique_ptr<PinnedBuffer> take(size_t bytes);
  /// Keeps a buffer for reuse, from when the device is done with it. Large ones are freed instead.
  void put_back(std::unique_ptr<PinnedBuffer> buffer);

 private:
  static constexpr size_t most_kept_ = 64;
  static constexpr size_t largest_kept_ = 16 << 20;
  std::vector<std::unique_ptr<PinnedBuffer>> kept_;
};

}  // namespace attention::cuda
