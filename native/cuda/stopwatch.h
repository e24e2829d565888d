#pragma once
// Time on the device.

#include <napi.h>

#include <memory>
#include <utility>

#include "context.h"

namespace attention::cuda {

/// Measures the time between two points of a context's stream.
class Stopwatch {
 public:
  static constexpr napi_type_tag tag = {0x6c1d0f0c8be34a51, 0x9a1f5d2c7e604b38};

  explicit Stopwatch(std::shared_ptr<Context> context) : context_(std::move(context)) {
    check(cudaEventCreate(&start_), "cudaEventCreate");
    const cudaError_t status = cudaEventCreate(&end_);
    if (status != cudaSuccess) cudaEventDestroy(start_);
    check(status, "cudaEventCreate");
    record(start_);
  }
  ~Stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
  }
  void stop() { record(end_); }
  float milliseconds() const {
    float result = 0.0f;
    check(cudaEventElapsedTime(&result, start_, end_), "cudaEventElapsedTime");
    return result;
  }

 private:
  void record(cudaEvent_t event) {
    check(cudaEventRecord(event, context_->launch_context().stream), "cudaEventRecord");
  }

  std::shared_ptr<Context> context_;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace attention::cuda
