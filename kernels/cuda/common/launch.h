#pragma once
// What launchers need: the stream, the device's limits, scratch memory, and the launch itself.

#include <cuda_runtime.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "common/error.h"

#ifdef ATTENTION_CUDA_EMULATOR
#include "launch_emulated.h"
#endif

namespace attention {

/// Device limits that determine tiles and grids.
struct DeviceLimits {
  int ordinal = 0;
  int architecture = 0;            // 90 for compute capability 9.0
  int multiprocessors = 0;
  int shared_bytes_per_block = 0;  // upper bound per block
  size_t l2_bytes = 0;
  size_t memory_bytes = SIZE_MAX;
};

/// Bytes of device memory in use. The fields are doubles because JavaScript shares this struct as numbers.
struct MemoryUse {
  double tensors = 0;  // counted by JavaScript
  double scratch = 0;  // scratch memory and other native allocations
  double peak = 0;     // maximum of the total

  void take(size_t bytes) {
    scratch += double(bytes);
    peak = std::max(peak, tensors + scratch);
  }
  void give_back(size_t bytes) { scratch -= double(bytes); }
};

class Cublaslt;

/// The context of a launch. Each backend has one; its work runs in stream order.
struct LaunchContext {
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;
  DeviceLimits device;
  int splits = 0;  // of the keys in attention, for tests; 0: launchers choose
  std::shared_ptr<Cublaslt> cublaslt;  // null: not available
  // Dynamic shared memory already granted to each kernel: asking the driver takes as long as a launch.
  std::shared_ptr<std::unordered_map<const void*, size_t>> shared_bytes_granted =
      std::make_shared<std::unordered_map<const void*, size_t>>();
  unsigned* counters = nullptr;  // `num_counters` zeros; kernels that use them reset them to 0
  int64_t num_counters = 0;
  std::shared_ptr<MemoryUse> memory_use = std::make_shared<MemoryUse>();
  std::shared_ptr<uint64_t> launches = std::make_shared<uint64_t>(0);  // total so far
  std::function<void()> release_spare;  // frees memory cached outside the pool, if set
};

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clear it, or the next call reports it again
  const char* code = status == cudaErrorMemoryAllocation ? "ERR_OUT_OF_MEMORY" : "ERR_DEVICE";
  throw DeviceError(code, std::string(what) + ": " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}

/// The size of a grid in blocks. Only signed integers are accepted: unsigned ones may have wrapped around.
struct Blocks {
  template <std::signed_integral X, std::signed_integral Y = int, std::signed_integral Z = int>
  constexpr Blocks(X count_x, Y count_y = 1, Z count_z = 1) : x(count_x), y(count_y), z(count_z) {}

  bool is_empty() const { return x == 0 || y == 0 || z == 0; }

  /// Throws ERR_RANGE if a count exceeds the hardware's limit.
  dim3 checked() const {
    constexpr int64_t max_x = INT32_MAX;
    constexpr int64_t max_yz = 65535;
    const auto is_in = [](int64_t count, int64_t most) { return count >= 0 && count <= most; };
    if (!is_in(x, max_x) || !is_in(y, max_yz) || !is_in(z, max_yz)) {
      const auto text = [](int64_t a, int64_t b, int64_t c) {
        return std::to_string(a) + " x " + std::to_string(b) + " x " + std::to_string(c);
      };
      throw DeviceError("ERR_RANGE", "grid: expected at most " + text(max_x, max_yz, max_yz) +
                                         " blocks, received " + text(x, y, z));
    }
    return dim3(unsigned(x), unsigned(y), unsigned(z));
  }

  int64_t x;
  int64_t y;
  int64_t z;
};

/// Shape of a launch.
struct Grid {
  Blocks blocks = 1;
  dim3 threads = 1;
  size_t shared_bytes = 0;  // dynamic shared memory per block
};

/// Raises a kernel's limit of dynamic shared memory. Up to 48 KiB need no call.
inline void allow_shared_bytes(const LaunchContext& context, const void* kernel, size_t bytes) {
  constexpr size_t without_asking = 48 * 1024;
  if (bytes <= without_asking) return;
  size_t& granted = (*context.shared_bytes_granted)[kernel];
  if (granted > 0) return;
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
  // Always the maximum: contexts share the kernel, and a smaller limit set by one would break the others.
  const size_t most = context.device.shared_bytes_per_block - attributes.sharedSizeBytes;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(most)), "cudaFuncSetAttribute");
  granted = most;
}

/// Launches a kernel. Does nothing for an empty grid.
template <typename... Parameters, typename... Arguments>
void launch(const LaunchContext& context, void (*kernel)(Parameters...), const Grid& grid, Arguments&&... arguments) {
  if (grid.blocks.is_empty()) return;
  const dim3 blocks = grid.blocks.checked();
  ++*context.launches;
#ifdef ATTENTION_CUDA_EMULATOR
  check(emulator::launch_status(context.stream), "cudaLaunchKernelEx");
  launch_emulated(context.device.shared_bytes_per_block, blocks, grid.threads, grid.shared_bytes,
                 [&] { kernel(Parameters(arguments)...); });
#else
  allow_shared_bytes(context, reinterpret_cast<const void*>(kernel), grid.shared_bytes);
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = context.stream;
  check(cudaLaunchKernelEx(&config, kernel, Parameters(std::forward<Arguments>(arguments))...), "cudaLaunchKernelEx");
#endif
}

/// Allocates uninitialized device memory in stream order. Throws ERR_OUT_OF_MEMORY with the bytes needed and free; the
/// stream stays usable.
inline void* allocate_from_pool(const LaunchContext& context, size_t bytes) {
  void* address = nullptr;
  const auto try_it = [&] {
    // Never ask the driver for more: it would take all free memory from other processes before failing.
    if (bytes > context.device.memory_bytes) return false;
    const cudaError_t status = cudaMallocFromPoolAsync(&address, bytes, context.pool, context.stream);
    if (status != cudaErrorMemoryAllocation) check(status, "cudaMallocFromPoolAsync");
    cudaGetLastError();
    return status == cudaSuccess;
  };
  if (try_it()) return address;
  size_t free = 0;
  size_t total = 0;
  const auto ask = [&] { check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo"); };
  ask();
  if (bytes <= total) {
    // Memory kept for reuse may be too fragmented: return it to the device and retry once.
    if (context.release_spare) context.release_spare();
    check(cudaStreamSynchronize(context.stream), "cudaStreamSynchronize");
    check(cudaMemPoolTrimTo(context.pool, 0), "cudaMemPoolTrimTo");
    if (try_it()) return address;
    ask();
  }
  throw DeviceError("ERR_OUT_OF_MEMORY", "needed " + std::to_string(bytes) + " bytes of GPU memory, free are " +
                                             std::to_string(free) + " of " + std::to_string(total));
}

/// Device memory for one launcher's kernels, allocated and freed in stream order.
class Scratch {
 public:
  Scratch(const LaunchContext& context, size_t bytes)
      : stream_(context.stream), use_(context.memory_use.get()), bytes_(bytes) {
    if (bytes == 0) return;
    data_ = allocate_from_pool(context, bytes);
    use_->take(bytes);
  }
  ~Scratch() {
    if (!data_) return;
    cudaFreeAsync(data_, stream_);
    use_->give_back(bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  cudaStream_t stream_;
  MemoryUse* use_;
  size_t bytes_;
  void* data_ = nullptr;
};

/// Zero-initialized counters for a kernel that resets them to zero.
class Counters {
 public:
  Counters(const LaunchContext& context, int64_t count)
      : more_(context, count > context.num_counters ? size_t(count) * sizeof(unsigned) : 0),
        data_(count > context.num_counters ? more_.as<unsigned>() : context.counters) {
    if (data_ == context.counters) return;
    check(cudaMemsetAsync(data_, 0, size_t(count) * sizeof(unsigned), context.stream), "cudaMemsetAsync");
  }

  unsigned* data() const { return data_; }

 private:
  Scratch more_;  // if the context has too few
  unsigned* data_;
};

template <typename Integer>
constexpr Integer divide_up(Integer dividend, Integer divisor) {
  return dividend / divisor + (dividend % divisor != 0 ? 1 : 0);
}

/// Blocks for a grid-stride loop over `items`: enough for all, but no more than keep the device busy.
inline int64_t strided_blocks(const LaunchContext& context, int64_t items, int threads, int waves = 16) {
  const int64_t wanted = divide_up<int64_t>(items, threads);
  const int64_t most = int64_t(context.device.multiprocessors) * waves;
  return wanted < most ? wanted : most;
}

}  // namespace attention
