#pragma once
// Objects of C++'s that JavaScript holds.

#include <napi.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "errors.h"
#include "module.h"

namespace attention::cuda {

/// The time between two points of the stream, in milliseconds.
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

/// Kernels of an author's, which stay loaded until the last launch of them is done.
class LoadedModule {
 public:
  static constexpr napi_type_tag tag = {0x2f0a9d1c54e84b7d, 0xb3c86e0f19a24d95};

  LoadedModule(std::shared_ptr<Context> context, const std::vector<char>& image)
      : context_(std::move(context)), module_(image) {}
  ~LoadedModule() { cudaStreamSynchronize(context_->launch_context().stream); }

  Module& module() { return module_; }

 private:
  std::shared_ptr<Context> context_;
  Module module_;
};

/// An object of C++'s in the hands of JavaScript.
template <typename T>
Napi::External<T> hold(Napi::Env env, std::unique_ptr<T> handle) {
  auto external = Napi::External<T>::New(env, handle.get(), [](Napi::Env, T* held) { delete held; });
  handle.release();
  external.TypeTag(&T::tag);
  return external;
}

template <typename T>
T& held(const Napi::Value& value, const char* name) {
  if (!value.IsExternal()) fail("ERR_DTYPE", name, "what this addon gave out");
  auto external = value.As<Napi::External<T>>();
  if (!external.CheckTypeTag(&T::tag)) fail("ERR_DTYPE", name, "another kind of object of this addon");
  return *external.Data();
}

}  // namespace attention::cuda
