#include "pinned_memory.h"

#include <utility>

#include "common/launch.h"

namespace attention::cuda {

void* allocate_pinned(size_t bytes) {
  void* address = nullptr;
  constexpr size_t too_much = size_t(1) << 48;
  const cudaError_t status = bytes >= too_much ? cudaErrorMemoryAllocation
                                               : cudaHostAlloc(&address, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw DeviceError("ERR_OUT_OF_MEMORY", "needed " + std::to_string(bytes) + " bytes of pinned memory");
  }
  check(status, "cudaHostAlloc");
  return address;
}

PinnedBuffer::PinnedBuffer(size_t bytes, std::shared_ptr<uint64_t> counter)
    : data_(allocate_pinned(bytes)), bytes_(bytes), counter_(std::move(counter)) {
  const cudaError_t status = cudaEventCreateWithFlags(&done_, cudaEventDisableTiming | cudaEventBlockingSync);
  if (status != cudaSuccess) cudaFreeHost(data_);
  check(status, "cudaEventCreate");
  *counter_ += bytes_;
}

PinnedBuffer::~PinnedBuffer() {
  cudaEventSynchronize(done_);
  cudaEventDestroy(done_);
  cudaFreeHost(data_);
  *counter_ -= bytes_;
}

void PinnedBuffer::record(cudaStream_t stream) {
  is_known_done_ = false;
  check(cudaEventRecord(done_, stream), "cudaEventRecord");
}

bool PinnedBuffer::is_done() { return is_known_done_ = is_known_done_ || cudaEventQuery(done_) == cudaSuccess; }

cudaError_t PinnedBuffer::wait() const { return cudaEventSynchronize(done_); }

std::shared_ptr<PinnedBuffer> PinnedMemory::take(size_t bytes) {
  auto best = kept_.end();
  bool is_behind = false;  // the device: then it has not come to what was recorded later either, and is not asked again
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    PinnedBuffer& buffer = **it;
    if (buffer.bytes() < bytes || (best != kept_.end() && buffer.bytes() >= (*best)->bytes())) continue;
    if (is_behind ? !buffer.is_known_done() : !buffer.is_done()) {
      is_behind = true;
    } else {
      best = it;
    }
  }
  if (best == kept_.end()) {
    if (bytes > largest_kept_) return std::make_shared<PinnedBuffer>(bytes, bytes_);
    size_t rounded = 4096;
    while (rounded < bytes) rounded *= 2;
    return std::make_shared<PinnedBuffer>(rounded, bytes_);
  }
  auto taken = std::move(*best);
  kept_.erase(best);
  kept_bytes_ -= taken->bytes();
  return taken;
}

void PinnedMemory::put_back(std::shared_ptr<PinnedBuffer> buffer) {
  if (buffer->bytes() > largest_kept_) return;
  kept_bytes_ += buffer->bytes();
  kept_.push_back(std::move(buffer));
  while (kept_bytes_ > most_kept_bytes_) {
    kept_bytes_ -= kept_.front()->bytes();
    kept_.pop_front();
  }
}

void PinnedMemory::trim() {
  kept_.clear();
  kept_bytes_ = 0;
}

}  // namespace attention::cuda
