// The N-API side of a device: buffers, pipelines, dispatch and wait. No arithmetic, and nothing about any one op.

#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include <napi.h>

#include "device.h"

#ifdef ATTENTION_METAL_EMULATOR
#include "emulated_device.h"
#endif

namespace attention::metal {
namespace {

/// A device may be used from one thread at a time: by JavaScript's, or by one that waits on its behalf.
struct SharedDevice {
  explicit SharedDevice(std::unique_ptr<Device> opened) : device(std::move(opened)) {}
  std::unique_ptr<Device> device;
  std::mutex mutex;
};

/// What JavaScript holds as a buffer. `memory` is null once it was freed.
struct BufferHandle {
  std::shared_ptr<Buffer> memory;
  Napi::Reference<Napi::ArrayBuffer> view;
};

using LibraryHandle = std::shared_ptr<Library>;
using PipelineHandle = std::shared_ptr<Pipeline>;

template <typename T>
Napi::External<T> hold(Napi::Env env, T* handle) {
  return Napi::External<T>::New(env, handle, [](Napi::Env, T* held) { delete held; });
}

template <typename T>
T& held(const Napi::Value& value) {
  return *value.As<Napi::External<T>>().Data();
}

/// Makes JavaScript's errors: (code, message) -> AttentionError.
class Errors {
 public:
  explicit Errors(Napi::Function make) : make_(Napi::Persistent(make)) {}

  Napi::Error make(Napi::Env env, const char* code, const std::string& message) const {
    const Napi::Value error =
        make_.Value().Call({Napi::String::New(env, code), Napi::String::New(env, "[metal] " + message)});
    return Napi::Error(env, error);
  }

  /// Runs `body`; what the device throws becomes an error of JavaScript's.
  template <typename Body>
  auto guard(Napi::Env env, Body body) const {
    try {
      return body();
    } catch (const OutOfMemoryError& error) {
      throw make(env, "ERR_OUT_OF_MEMORY", error.what());
    } catch (const std::bad_alloc&) {
      throw make(env, "ERR_OUT_OF_MEMORY", "the machine has no memory left");
    } catch (const Napi::Error&) {
      throw;
    } catch (const std::exception& error) {
      throw make(env, "ERR_DEVICE", error.what());
    }
  }

 private:
  Napi::FunctionReference make_;
};

/// Waits on a thread of Node's pool, and settles a promise.
class Wait : public Napi::AsyncWorker {
 public:
  Wait(Napi::Env env, std::shared_ptr<SharedDevice> shared, const std::shared_ptr<Errors>& errors)
      : Napi::AsyncWorker(env),
        shared_(std::move(shared)),
        errors_(errors),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->device->wait();  // what it throws goes to OnError
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(errors_->make(Env(), "ERR_DEVICE", error.Message()).Value());
  }

 private:
  std::shared_ptr<SharedDevice> shared_;
  std::shared_ptr<Errors> errors_;
  Napi::Promise::Deferred deferred_;
};

FunctionConstants functionConstants(const Napi::Object& values) {
  FunctionConstants constants;
  const Napi::Array names = values.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).ToString();
    const Napi::Value value = values.Get(name);
    if (value.IsBoolean()) {
      constants[name] = value.As<Napi::Boolean>().Value();
      continue;
    }
    const double number = value.ToNumber().DoubleValue();
    const auto integer = static_cast<std::int64_t>(number);
    if (static_cast<double>(integer) == number) {
      constants[name] = integer;
    } else {
      constants[name] = number;
    }
  }
  return constants;
}

class NativeDevice : public Napi::ObjectWrap<NativeDevice> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeDevice",
                       {
                           InstanceAccessor<&NativeDevice::name>("name"),
                           InstanceAccessor<&NativeDevice::isEmulated>("isEmulated"),
                           InstanceMethod<&NativeDevice::makeBuffer>("makeBuffer"),
                           InstanceMethod<&NativeDevice::contents>("contents"),
                           InstanceMethod<&NativeDevice::freeBuffer>("freeBuffer"),
                           InstanceMethod<&NativeDevice::makeLibrary>("makeLibrary"),
                           InstanceMethod<&NativeDevice::makePipeline>("makePipeline"),
                           InstanceMethod<&NativeDevice::dispatch>("dispatch"),
                           InstanceMethod<&NativeDevice::wait>("wait"),
                           InstanceMethod<&NativeDevice::waitAsync>("waitAsync"),
                       });
  }

  /// (makeError, emulatorOptions)
  explicit NativeDevice(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<NativeDevice>(info), errors_(std::make_shared<Errors>(info[0].As<Napi::Function>())) {
    try {
      shared_ = std::make_shared<SharedDevice>(open(info));
    } catch (const DeviceError& error) {
      throw errors_->make(info.Env(), "ERR_NO_DEVICE", error.what());
    }
  }

 private:
  template <typename Body>
  auto locked(const Napi::CallbackInfo& info, Body body) {
    return errors_->guard(info.Env(), [&] {
      const std::lock_guard lock(shared_->mutex);
      return body();
    });
  }

  static std::unique_ptr<Device> open([[maybe_unused]] const Napi::CallbackInfo& info) {
#ifdef ATTENTION_METAL_EMULATOR
    const auto given = info[1].As<Napi::Object>();
    EmulatorOptions options;
    options.cache_folder = given.Get("cacheFolder").ToString();
    options.source_folder = given.Get("sourceFolder").ToString();
    options.checked = given.Get("checked").ToBoolean();
    return make_emulated_device(options);
#else
    return make_apple_device();
#endif
  }

  Napi::Value name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), shared_->device->name()); }

  Napi::Value isEmulated(const Napi::CallbackInfo& info) {
#ifdef ATTENTION_METAL_EMULATOR
    return Napi::Boolean::New(info.Env(), true);
#else
    return Napi::Boolean::New(info.Env(), false);
#endif
  }

  Napi::Value makeBuffer(const Napi::CallbackInfo& info) {
    const auto length = static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value());
    return locked(info, [&] {
      auto handle = std::make_unique<BufferHandle>();
      handle->memory = shared_->device->make_buffer(length);
      return hold(info.Env(), handle.release());
    });
  }

  Napi::Value contents(const Napi::CallbackInfo& info) {
    auto& handle = held<BufferHandle>(info[0]);
    if (!handle.memory) throw errors_->make(info.Env(), "ERR_DISPOSED", "the buffer was freed");
    if (!handle.view.IsEmpty()) return handle.view.Value();
    // The ArrayBuffer keeps the memory alive for as long as it may be read.
    auto keeper = std::make_unique<std::shared_ptr<Buffer>>(handle.memory);
    const auto release = [](Napi::Env, void*, std::shared_ptr<Buffer>* kept) { delete kept; };
    auto view = Napi::ArrayBuffer::New(info.Env(), handle.memory->contents(), handle.memory->length(), release,
                                       keeper.get());
    keeper.release();
    handle.view = Napi::Reference<Napi::ArrayBuffer>::New(view, 1);
    return view;
  }

  void freeBuffer(const Napi::CallbackInfo& info) {
    auto& handle = held<BufferHandle>(info[0]);
    if (!handle.view.IsEmpty()) {
      handle.view.Value().Detach();
      handle.view.Reset();
    }
    const std::lock_guard lock(shared_->mutex);
    handle.memory.reset();
  }

  Napi::Value makeLibrary(const Napi::CallbackInfo& info) {
    const std::string name = info[0].ToString();
    const std::string source = info[1].ToString();
    return locked(info, [&] {
      return hold(info.Env(), new LibraryHandle(shared_->device->make_library(source, name)));
    });
  }

  Napi::Value makePipeline(const Napi::CallbackInfo& info) {
    auto& library = held<LibraryHandle>(info[0]);
    const std::string function = info[1].ToString();
    const FunctionConstants constants = functionConstants(info[2].As<Napi::Object>());
    return locked(info, [&] {
      return hold(info.Env(), new PipelineHandle(library->pipeline(function, constants)));
    });
  }

  void dispatch(const Napi::CallbackInfo& info) {
    Dispatch call;
    call.pipeline = held<PipelineHandle>(info[0]);
    const auto buffers = info[1].As<Napi::Array>();
    const std::uint32_t count = buffers.Length();
    call.buffers.reserve(count);
    for (std::uint32_t i = 0; i < count; i++) {
      auto& memory = held<BufferHandle>(buffers.Get(i)).memory;
      if (!memory) throw errors_->make(info.Env(), "ERR_DISPOSED", "a buffer of the dispatch was freed");
      call.buffers.push_back({memory, 0});
    }
    const auto params = info[2].As<Napi::Uint8Array>();
    call.parameters.resize(params.ByteLength());
    std::memcpy(call.parameters.data(), params.Data(), params.ByteLength());
    const auto grid = info[3].As<Napi::Array>();
    for (std::uint32_t i = 0; i < 3; i++) {
      call.threadgroups[i] = grid.Get(i).As<Napi::Number>().Uint32Value();
      call.threads_per_threadgroup[i] = grid.Get(i + 3).As<Napi::Number>().Uint32Value();
    }
    const std::uint32_t bytes = info[4].As<Napi::Number>().Uint32Value();
    if (bytes > 0) call.threadgroup_bytes.push_back((bytes + 15) / 16 * 16);
    locked(info, [&] { shared_->device->dispatch(call); });
  }

  void wait(const Napi::CallbackInfo& info) {
    locked(info, [&] { shared_->device->wait(); });
  }

  Napi::Value waitAsync(const Napi::CallbackInfo& info) {
    auto* worker = new Wait(info.Env(), shared_, errors_);  // deletes itself
    const Napi::Promise promise = worker->promise();
    worker->Queue();
    return promise;
  }

  std::shared_ptr<SharedDevice> shared_;
  std::shared_ptr<Errors> errors_;
};

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeDevice", NativeDevice::define(env));
  return exports;
}

NODE_API_MODULE(attention_metal, initialize)

}  // namespace
}  // namespace attention::metal
