#include "context.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "common/architecture.h"
#include "matmul/cublaslt.h"
#include "movement/upload.h"

namespace attention::cuda {
namespace {

constexpr int64_t num_counters = 16 * 1024;  // a few for each block that a device holds at once
constexpr size_t largest_staged = 4 << 20;  // beyond it the driver copies from the caller's memory itself

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int driver_version() {
  int version = 0;
  cudaDriverGetVersion(&version);
  return version;
}

/// Throws unless there is a device `ordinal` that this addon has code for.
void check_available(int ordinal) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();
  const int driver = driver_version();
  if (driver == 0) {
    throw DeviceError("ERR_NO_DRIVER", "expected an NVIDIA driver, found none: install the driver of your GPU");
  }
  if (status == cudaErrorInsufficientDriver) {
    int runtime = 0;
    cudaRuntimeGetVersion(&runtime);
    throw DeviceError("ERR_DRIVER_TOO_OLD", "expected a driver for CUDA " + version_text(runtime / 1000 * 1000) +
                                                " or newer, received one for CUDA " + version_text(driver) +
                                                ": update the NVIDIA driver");
  }
  if (status != cudaSuccess && status != cudaErrorNoDevice) check(status, "cudaGetDeviceCount");
  if (ordinal < 0 || ordinal >= count) {
    throw DeviceError("ERR_NO_DEVICE", "expected an NVIDIA GPU with index " + std::to_string(ordinal) + ", found " +
                                           std::to_string(count) + (count == 1 ? " GPU" : " GPUs") +
                                           " (CUDA_VISIBLE_DEVICES may hide some)");
  }
}

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, ordinal), "cudaDeviceGetAttribute");
  return value;
}

DeviceLimits device_limits(int ordinal) {
  DeviceLimits limits;
  limits.ordinal = ordinal;
  limits.architecture = 10 * attribute(cudaDevAttrComputeCapabilityMajor, ordinal) +
                        attribute(cudaDevAttrComputeCapabilityMinor, ordinal);
  limits.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, ordinal);
  limits.shared_bytes_per_block = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal);
  limits.l2_bytes = size_t(attribute(cudaDevAttrL2CacheSize, ordinal));
  return limits;
}

}  // namespace

// What was made is given back where a later step throws: the destructor runs once the delegate is done.
Context::Context(const ContextOptions& options) : Context() {
  const int ordinal = options.ordinal;
  driver_version_ = cuda::driver_version();
  check_available(ordinal);
  check(cudaSetDevice(ordinal), "cudaSetDevice");
  launch_.device = device_limits(ordinal);
  if (!has_code_for_device()) {
    throw DeviceError("ERR_ARCH", "expected a GPU of one of the architectures " + built_architectures() +
                                      ", received compute capability " +
                                      version_text(launch_.device.architecture * 100) +
                                      ": build the addon for it with npx attention-cuda");
  }
  if (options.architecture > launch_.device.architecture) {
    throw DeviceError("ERR_ARCH", "architecture: expected at most the device's " +
                                      std::to_string(launch_.device.architecture) + ", received " +
                                      std::to_string(options.architecture));
  }
  if (options.architecture > 0) launch_.device.architecture = options.architecture;
  launch_.splits = options.splits;
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  device_name_ = properties.name;
  launch_.device.memory_bytes = properties.totalGlobalMem;
  const char* synchronous = std::getenv("ATTENTION_CUDA_SYNC");
  is_synchronous_ = synchronous && std::strcmp(synchronous, "1") == 0;

  check(cudaStreamCreateWithFlags(&launch_.stream, cudaStreamNonBlocking), "cudaStreamCreate");
  cudaMemPoolProps pool{};
  pool.allocType = cudaMemAllocationTypePinned;
  pool.location.type = cudaMemLocationTypeDevice;
  pool.location.id = ordinal;
  check(cudaMemPoolCreate(&launch_.pool, &pool), "cudaMemPoolCreate");
  uint64_t keep_all = UINT64_MAX;  // freed memory is kept for reuse, until an allocation fails
  check(cudaMemPoolSetAttribute(launch_.pool, cudaMemPoolAttrReleaseThreshold, &keep_all), "cudaMemPoolSetAttribute");
  check(cudaMalloc(reinterpret_cast<void**>(&launch_.counters), num_counters * sizeof(unsigned)), "cudaMalloc");
  check(cudaMemsetAsync(launch_.counters, 0, num_counters * sizeof(unsigned), launch_.stream), "cudaMemsetAsync");
  launch_.num_counters = num_counters;
  launch_.cublaslt = std::make_shared<Cublaslt>();
}

Context::~Context() {
  if (!launch_.stream) return;  // which is made first
  cudaSetDevice(launch_.device.ordinal);
  cudaStreamSynchronize(launch_.stream);
  launch_.cublaslt.reset();
  for (const auto& [address, bytes] : pinned_allocations_) cudaFreeHost(const_cast<void*>(address));
  // A pool lives on until all of its memory was freed.
  for (const auto& [address, bytes] : allocations_) cudaFreeAsync(const_cast<void*>(address), launch_.stream);
  cudaStreamSynchronize(launch_.stream);
  if (launch_.counters) cudaFree(launch_.counters);
  if (launch_.pool) cudaMemPoolDestroy(launch_.pool);
  cudaStreamDestroy(launch_.stream);
}

void Context::make_current() const { check(cudaSetDevice(launch_.device.ordinal), "cudaSetDevice"); }

void* Context::allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* address = allocate_from_pool(launch_, bytes);
  allocations_.emplace(address, bytes);
  return address;
}

void Context::free(void* address) {
  if (allocations_.erase(address) > 0) check(cudaFreeAsync(address, launch_.stream), "cudaFreeAsync");
}

void* Context::allocate_pinned(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* address = cuda::allocate_pinned(bytes);
  pinned_allocations_[address] = bytes;
  pinned_bytes_ += bytes;
  return address;
}

void Context::free_pinned(void* address) {
  const auto found = pinned_allocations_.find(address);
  if (found == pinned_allocations_.end()) return;
  wait();  // kernels may still use it
  pinned_bytes_ -= found->second;
  pinned_allocations_.erase(found);
  check(cudaFreeHost(address), "cudaFreeHost");
}

void Context::check_allocated(const void* address, size_t bytes, const char* name) const {
  if (!address && bytes == 0) return;
  auto found = allocations_.find(address);
  if (found == allocations_.end()) {
    found = pinned_allocations_.find(address);
    if (found == pinned_allocations_.end()) {
      throw DeviceError("ERR_RANGE", std::string(name) + ": expected where an allocation starts");
    }
  }
  if (bytes <= found->second) return;
  throw DeviceError("ERR_RANGE", std::string(name) + ": expected an allocation of at least " + std::to_string(bytes) +
                                     " bytes, received one of " + std::to_string(found->second));
}

void Context::upload(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  if (bytes <= largest_upload_by_value) return upload_by_value(launch_, to, from, bytes);
  if (bytes > largest_staged) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, launch_.stream), "cudaMemcpyAsync");
    return;
  }
  auto staging = pinned_.take(bytes);
  std::memcpy(staging->data(), from, bytes);
  check(cudaMemcpyAsync(to, staging->data(), bytes, cudaMemcpyHostToDevice, launch_.stream), "cudaMemcpyAsync");
  staging->record(launch_.stream);
  pinned_.put_back(std::move(staging));
}

void Context::fill(void* to, int byte, size_t bytes) {
  if (bytes > 0) check(cudaMemsetAsync(to, byte, bytes, launch_.stream), "cudaMemsetAsync");
}

void Context::download(void* to, const void* from, size_t bytes) {
  if (bytes > 0) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, launch_.stream), "cudaMemcpyAsync");
  }
  wait();
}

std::shared_ptr<PinnedBuffer> Context::start_download(const void* from, size_t bytes) {
  auto buffer = pinned_.take(bytes);
  if (bytes > 0) {
    check(cudaMemcpyAsync(buffer->data(), from, bytes, cudaMemcpyDefault, launch_.stream), "cudaMemcpyAsync");
  }
  buffer->record(launch_.stream);
  return buffer;
}

void Context::finish_download(std::shared_ptr<PinnedBuffer> buffer) {
  buffer->is_done();  // it is, which only has to be noted
  pinned_.put_back(std::move(buffer));
}

void Context::wait() {
  check(cudaStreamSynchronize(launch_.stream), "cudaStreamSynchronize");
  launches_ = 0;
}

void Context::trim() {
  launch_.cublaslt = std::make_shared<Cublaslt>();  // the old one's workspace is of the pool
  wait();
  pinned_.trim();
  check(cudaMemPoolTrimTo(launch_.pool, 0), "cudaMemPoolTrimTo");
}

MemoryFigures Context::memory() const {
  MemoryFigures figures{};
  const auto ask_pool = [&](cudaMemPoolAttr attribute, uint64_t& figure) {
    check(cudaMemPoolGetAttribute(launch_.pool, attribute, &figure), "cudaMemPoolGetAttribute");
  };
  ask_pool(cudaMemPoolAttrUsedMemCurrent, figures.used);
  ask_pool(cudaMemPoolAttrReservedMemCurrent, figures.reserved);
  figures.pinned = pinned_bytes_;
  figures.staging = pinned_.bytes();
  size_t free = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  figures.device_free = free;
  figures.device_total = total;
  return figures;
}

void Context::note_launch(const std::string& name) { recent_[launches_++ % recent_.size()] = name; }

std::string Context::suspects() const {
  if (launches_ == 0 || is_synchronous_) return "";
  std::string names;
  const size_t kept = std::min(launches_, recent_.size());
  for (size_t i = launches_ - kept; i < launches_; i++) {
    names += (names.empty() ? "" : ", ") + recent_[i % recent_.size()];
  }
  return "; launched last: " + names + " (ATTENTION_CUDA_SYNC=1 finds the one that failed)";
}

std::string Context::explain(const DeviceError& error) const {
  const cudaError_t status = cudaStreamQuery(launch_.stream);
  cudaGetLastError();
  if (status == cudaSuccess || status == cudaErrorNotReady) return error.what();
  return error.what() + suspects();
}

}  // namespace attention::cuda
