// The N-API side of a context: memory, copies, waiting, authors' modules; and the operations, which register themselves.

#include <napi.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "binding.h"
#include "context.h"
#include "errors.h"
#include "module.h"

namespace attention::cuda {
namespace {

/// Waits for a copy to pinned memory on a thread of Node's pool, and resolves to its bytes.
class Download : public Napi::AsyncWorker {
 public:
  Download(Napi::Env env, std::shared_ptr<Context> context, std::shared_ptr<Errors> errors,
           std::unique_ptr<PinnedBuffer> buffer, size_t bytes)
      : Napi::AsyncWorker(env),
        context_(std::move(context)),
        errors_(std::move(errors)),
        buffer_(std::move(buffer)),
        bytes_(bytes),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    context_->make_current();
    status_ = buffer_->wait();
  }

  void OnOK() override {
    settle([&] {
      errors_->guard(Env(), "read", [&] {
        context_->check_device(status_, "the device");
        Napi::ArrayBuffer bytes = Napi::ArrayBuffer::New(Env(), bytes_);
        std::memcpy(bytes.Data(), buffer_->data(), bytes_);
        context_->finish_download(std::move(buffer_));
        deferred_.Resolve(bytes);
      });
    });
  }

  void OnError(const Napi::Error& error) override {
    settle([&] { throw errors_->make(Env(), "ERR_DEVICE", "read", error.Message()); });
  }

 private:
  /// Runs `body`, and rejects with what it throws.
  template <typename Body>
  void settle(Body body) {
    try {
      body();
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  std::shared_ptr<Context> context_;
  std::shared_ptr<Errors> errors_;
  std::unique_ptr<PinnedBuffer> buffer_;
  size_t bytes_;
  cudaError_t status_ = cudaSuccess;
  Napi::Promise::Deferred deferred_;
};

/// The time between two points of the stream, in milliseconds.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&start_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
    check(cudaEventRecord(start_, stream), "cudaEventRecord");
  }
  ~Stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
  }
  void stop() { check(cudaEventRecord(end_, stream_), "cudaEventRecord"); }
  float milliseconds() const {
    float result = 0.0f;
    check(cudaEventElapsedTime(&result, start_, end_), "cudaEventElapsedTime");
    return result;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

template <typename T>
Napi::External<T> hold(Napi::Env env, T* handle) {
  return Napi::External<T>::New(env, handle, [](Napi::Env, T* held) { delete held; });
}

template <typename T>
T& held(const Napi::Value& value) {
  return *value.As<Napi::External<T>>().Data();
}

void* address_of(const Napi::Value& value) {
  return reinterpret_cast<void*>(uint64_t(value.As<Napi::Number>().DoubleValue()));
}

Napi::Number number_of(Napi::Env env, const void* address) {
  return Napi::Number::New(env, double(reinterpret_cast<uint64_t>(address)));
}

size_t size_of(const Napi::Value& value) { return size_t(value.As<Napi::Number>().DoubleValue()); }

class NativeContext : public Napi::ObjectWrap<NativeContext> {
 public:
  static Napi::Function define(Napi::Env env) {
    std::vector<PropertyDescriptor> properties = {
        InstanceAccessor<&NativeContext::device_name>("deviceName"),
        InstanceAccessor<&NativeContext::architecture>("architecture"),
        InstanceAccessor<&NativeContext::multiprocessors>("multiprocessors"),
        InstanceAccessor<&NativeContext::driver_version>("driverVersion"),
        InstanceAccessor<&NativeContext::is_host>("isHost"),
        InstanceMethod<&NativeContext::allocate>("allocate"),
        InstanceMethod<&NativeContext::free>("free"),
        InstanceMethod<&NativeContext::allocate_host>("allocateHost"),
        InstanceMethod<&NativeContext::free_host>("freeHost"),
        InstanceMethod<&NativeContext::upload>("upload"),
        InstanceMethod<&NativeContext::fill>("fillBytes"),
        InstanceMethod<&NativeContext::download>("download"),
        InstanceMethod<&NativeContext::download_async>("downloadAsync"),
        InstanceMethod<&NativeContext::wait>("wait"),
        InstanceMethod<&NativeContext::memory>("memory"),
        InstanceMethod<&NativeContext::start_stopwatch>("startStopwatch"),
        InstanceMethod<&NativeContext::stop_stopwatch>("stopStopwatch"),
        InstanceMethod<&NativeContext::milliseconds>("milliseconds"),
        InstanceMethod<&NativeContext::load_module>("loadModule"),
        InstanceMethod<&NativeContext::launch_module>("launchModule"),
    };
    for (const Binding* binding : bindings()) {
      properties.push_back(InstanceMethod(binding->name, &NativeContext::run, napi_default,
                                          const_cast<Binding*>(binding)));
    }
    return DefineClass(env, "NativeContext", properties);
  }

  /// (makeError, ordinal)
  explicit NativeContext(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<NativeContext>(info), errors_(std::make_shared<Errors>(info[0].As<Napi::Function>())) {
    errors_->guard(info.Env(), "cuda",
                   [&] { context_ = std::make_shared<Context>(info[1].As<Napi::Number>().Int32Value()); });
  }

 private:
  /// Runs `body` on the context's device, with errors that name `operation`.
  template <typename Body>
  auto guard(const Napi::CallbackInfo& info, const char* operation, Body body) {
    return errors_->guard(info.Env(), operation, [&] {
      context_->make_current();
      return body();
    });
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    const auto& binding = *static_cast<const Binding*>(info.Data());
    guard(info, binding.name, [&] {
      Arguments arguments(info);
      binding.function(context_->launch_context(), arguments);
      arguments.end();
      context_->note_launch(binding.name);
      if (context_->is_synchronous()) context_->wait();
    });
    return info.Env().Undefined();
  }

  Napi::Value device_name(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), context_->device_name());
  }
  Napi::Value architecture(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), context_->launch_context().device.architecture);
  }
  Napi::Value multiprocessors(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), context_->launch_context().device.multiprocessors);
  }
  Napi::Value driver_version(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), context_->driver_version());
  }
  Napi::Value is_host(const Napi::CallbackInfo& info) {
#ifdef ATTENTION_CUDA_HOST_DEVICE
    return Napi::Boolean::New(info.Env(), true);
#else
    return Napi::Boolean::New(info.Env(), false);
#endif
  }

  Napi::Value allocate(const Napi::CallbackInfo& info) {
    return guard(info, "cuda", [&] { return number_of(info.Env(), context_->allocate(size_of(info[0]))); });
  }
  void free(const Napi::CallbackInfo& info) {
    guard(info, "cuda", [&] { context_->free(address_of(info[0])); });
  }
  Napi::Value allocate_host(const Napi::CallbackInfo& info) {
    return guard(info, "cuda", [&] { return number_of(info.Env(), context_->allocate_host(size_of(info[0]))); });
  }
  void free_host(const Napi::CallbackInfo& info) {
    guard(info, "cuda", [&] { context_->free_host(address_of(info[0])); });
  }

  /// (address, Uint8Array)
  void upload(const Napi::CallbackInfo& info) {
    guard(info, "upload", [&] {
      auto bytes = info[1].As<Napi::Uint8Array>();
      context_->upload(address_of(info[0]), bytes.Data(), bytes.ByteLength());
      context_->note_launch("upload");
    });
  }
  /// (address, byte, byteLength)
  void fill(const Napi::CallbackInfo& info) {
    guard(info, "fillBytes", [&] {
      context_->fill(address_of(info[0]), info[1].As<Napi::Number>().Int32Value(), size_of(info[2]));
      context_->note_launch("fillBytes");
    });
  }
  /// (address, Uint8Array to fill)
  void download(const Napi::CallbackInfo& info) {
    guard(info, "readSync", [&] {
      auto bytes = info[1].As<Napi::Uint8Array>();
      context_->download(bytes.Data(), address_of(info[0]), bytes.ByteLength());
    });
  }
  /// (address, byteLength) -> Promise<ArrayBuffer>
  Napi::Value download_async(const Napi::CallbackInfo& info) {
    return guard(info, "read", [&]() -> Napi::Value {
      const size_t bytes = size_of(info[1]);
      auto buffer = context_->start_download(address_of(info[0]), bytes);
      auto* worker = new Download(info.Env(), context_, errors_, std::move(buffer), bytes);
      worker->Queue();
      return worker->promise();
    });
  }
  void wait(const Napi::CallbackInfo& info) {
    guard(info, "cuda", [&] { context_->wait(); });
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    return guard(info, "memory", [&]() -> Napi::Value {
      const MemoryFigures figures = context_->memory();
      Napi::Object result = Napi::Object::New(info.Env());
      const std::pair<const char*, uint64_t> fields[] = {
          {"used", figures.used},           {"reserved", figures.reserved},
          {"usedPeak", figures.used_peak},  {"host", figures.host},
          {"deviceFree", figures.device_free}, {"deviceTotal", figures.device_total},
      };
      for (const auto& [name, value] : fields) result.Set(name, Napi::Number::New(info.Env(), double(value)));
      return result;
    });
  }

  Napi::Value start_stopwatch(const Napi::CallbackInfo& info) {
    return guard(info, "time", [&]() -> Napi::Value {
      return hold(info.Env(), new Stopwatch(context_->launch_context().stream));
    });
  }
  void stop_stopwatch(const Napi::CallbackInfo& info) {
    guard(info, "time", [&] { held<Stopwatch>(info[0]).stop(); });
  }
  /// Of a stopwatch whose end the device has passed.
  Napi::Value milliseconds(const Napi::CallbackInfo& info) {
    return guard(info, "time", [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), held<Stopwatch>(info[0]).milliseconds());
    });
  }

  /// (Uint8Array of PTX or cubin)
  Napi::Value load_module(const Napi::CallbackInfo& info) {
    return guard(info, "loadModule", [&]() -> Napi::Value {
      auto bytes = info[0].As<Napi::Uint8Array>();
      return hold(info.Env(), new Module(std::vector<char>(bytes.Data(), bytes.Data() + bytes.ByteLength())));
    });
  }
  /// (module, function name, Float64Array of 3 block and 3 thread counts and shared bytes, parameters, their offsets)
  void launch_module(const Napi::CallbackInfo& info) {
    const std::string function = info[1].ToString();
    guard(info, function.c_str(), [&] {
      auto sizes = info[2].As<Napi::Float64Array>();
      auto parameters = info[3].As<Napi::Uint8Array>();
      auto offsets = info[4].As<Napi::Float64Array>();
      Grid grid;
      grid.blocks = dim3(unsigned(sizes[0]), unsigned(sizes[1]), unsigned(sizes[2]));
      grid.threads = dim3(unsigned(sizes[3]), unsigned(sizes[4]), unsigned(sizes[5]));
      grid.shared_bytes = size_t(sizes[6]);
      held<Module>(info[0]).launch(
          context_->launch_context(), function, grid,
          std::vector<unsigned char>(parameters.Data(), parameters.Data() + parameters.ByteLength()),
          std::vector<int64_t>(offsets.Data(), offsets.Data() + offsets.ElementLength()));
      context_->note_launch("an operation of a module");
      if (context_->is_synchronous()) context_->wait();
    });
  }

  std::shared_ptr<Errors> errors_;
  std::shared_ptr<Context> context_;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeContext", NativeContext::define(env));
  return exports;
}

NODE_API_MODULE(attention_cuda, init)

}  // namespace
}  // namespace attention::cuda
