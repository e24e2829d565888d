#pragma once
// What every launcher uses: the stream it launches on, the limits of its device, scratch memory, and the launch itself.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "error.h"

#ifdef ATTENTION_CUDA_HOST_DEVICE
#include "launch_host.h"
#endif

namespace attention {

/// Limits of a device that a choice of tile and grid depends on.
struct DeviceLimits {
  int ordinal = 0;
  int architecture = 0;            // 90 for compute capability 9.0
  int multiprocessors = 0;
  int shared_bytes_per_block = 0;  // the most that a block may ask for
  size_t l2_bytes = 0;
};

class Cublaslt;

/// Where a launcher launches. One per backend; work on it runs in order.
struct LaunchContext {
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;
  DeviceLimits device;
  std::shared_ptr<Cublaslt> cublaslt;  // for matrix products, or none
  unsigned* counters = nullptr;  // `num_counters` zeros, which every kernel that counts in them leaves behind
  int64_t num_counters = 0;
};

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that the next call does not report it again
  const char* code = status == cudaErrorMemoryAllocation ? "ERR_OUT_OF_MEMORY" : "ERR_DEVICE";
  throw DeviceError(code, std::string(what) + ": " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}

/// Shape of a launch.
struct Grid {
  dim3 blocks = 1;
  dim3 threads = 1;
  size_t shared_bytes = 0;  // dynamic shared memory of a block
};

/// Launches a kernel. A grid without blocks launches nothing.
template <typename... Parameters, typename... Arguments>
void launch(const LaunchContext& context, void (*kernel)(Parameters...), const Grid& grid, Arguments&&... arguments) {
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
#ifdef ATTENTION_CUDA_HOST_DEVICE
  launch_on_host(context.device.shared_bytes_per_block, grid.blocks, grid.threads, grid.shared_bytes,
                 [&] { kernel(Parameters(arguments)...); });
#else
  constexpr size_t without_asking = 48 * 1024;
  if (grid.shared_bytes > without_asking) {
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               int(grid.shared_bytes)),
          "cudaFuncSetAttribute");
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = context.stream;
  check(cudaLaunchKernelEx(&config, kernel, Parameters(std::forward<Arguments>(arguments))...), "cudaLaunchKernelEx");
#endif
}

/// Device memory for the kernels of one launcher: taken and given back in stream order.
class Scratch {
 public:
  Scratch(const LaunchContext& context, size_t bytes) : stream_(context.stream) {
    if (bytes > 0) check(cudaMallocFromPoolAsync(&data_, bytes, context.pool, stream_), "scratch memory");
  }
  ~Scratch() {
    if (data_) cudaFreeAsync(data_, stream_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  cudaStream_t stream_;
  void* data_ = nullptr;
};

/// Zeros for a kernel to count in, which leaves zeros behind.
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
  Scratch more_;  // where the context has too few
  unsigned* data_;
};

template <typename Integer>
constexpr Integer divide_up(Integer dividend, Integer divisor) {
  return (dividend + divisor - 1) / divisor;
}

/// Blocks for threads that walk in strides of the grid: enough for `items`, but no more than keep the device busy.
inline unsigned strided_blocks(const LaunchContext& context, int64_t items, int threads, int waves = 16) {
  const int64_t wanted = divide_up<int64_t>(items, threads);
  const int64_t most = int64_t(context.device.multiprocessors) * waves;
  return unsigned(wanted < most ? wanted : most);
}

}  // namespace attention
