// The N-API side of a device: buffers, pipelines, dispatch and wait. No arithmetic, and nothing about any one op.

#include <napi.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "native/common/arguments.h"
#include "native/common/async.h"
#include "native/common/errors.h"
#include "native/common/exported_class.h"
#include "native/common/external_memory.h"
#include "native/common/handles.h"
#include "device.h"

#ifdef ATTENTION_METAL_EMULATOR
#include "emulated_device.h"
#endif

namespace attention::metal {
namespace {

constexpr std::uint32_t max_buffers = 31;
constexpr std::size_t max_parameter_bytes = 4096;

/// A device may be used from one thread at a time: by JavaScript's, or by one that waits on its behalf.
struct SharedDevice {
  explicit SharedDevice(std::unique_ptr<Device> opened) : device(std::move(opened)) {}
  std::unique_ptr<Device> device;
  std::mutex mutex;
};

/// What JavaScript holds as a buffer.
struct BufferHandle {
  static constexpr napi_type_tag tag = {0x5b0c7c1fd2a94e36, 0x8f64a1e95c0b7d22};
  std::shared_ptr<Buffer> memory;  // null once it was freed
  Napi::Reference<Napi::ArrayBuffer> view;

  Buffer& buffer() const {
    if (!memory) throw AddonError("ERR_DISPOSED", "the buffer was freed");
    return *memory;
  }
};

struct LibraryHandle {
  static constexpr napi_type_tag tag = {0xe1836a0d47bf4c59, 0xa92d5e7013f8c64b};
  std::shared_ptr<Library> library;
};

struct PipelineHandle {
  static constexpr napi_type_tag tag = {0x3d9f12b8760e4ac5, 0xb7584c0fe2916da3};
  std::shared_ptr<Pipeline> pipeline;
};

FunctionConstants function_constants(const Napi::Value& value) {
  const Napi::Object values = object(value, "constants");
  FunctionConstants constants;
  const Napi::Array names = values.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = text(names.Get(i), "constants");
    const Napi::Value constant = values.Get(name);
    if (constant.IsBoolean()) {
      constants[name] = constant.As<Napi::Boolean>().Value();
      continue;
    }
    if (!constant.IsNumber()) fail("ERR_DTYPE", "constant " + name, "a boolean or a number");
    const double number = constant.As<Napi::Number>().DoubleValue();
    const bool is_integer = std::trunc(number) == number && std::abs(number) <= 0x1p53;
    constants[name] = is_integer ? FunctionConstant(std::int64_t(number)) : FunctionConstant(number);
  }
  return constants;
}

class NativeDevice : public ExportedClass<NativeDevice> {
 public:
  static constexpr const char* class_name = "NativeDevice";

  static Napi::Function define(Napi::Env env) {
    return define_class(env, {
                                 accessor<&NativeDevice::name>("name"),
                                 accessor<&NativeDevice::is_emulated>("isEmulated"),
                                 method<&NativeDevice::memory>("memory"),
                                 method<&NativeDevice::make_buffer>("makeBuffer"),
                                 method<&NativeDevice::contents>("contents"),
                                 method<&NativeDevice::fill_buffer>("fillBuffer"),
                                 method<&NativeDevice::write_buffer>("writeBuffer"),
                                 method<&NativeDevice::read_buffer>("readBuffer"),
                                 method<&NativeDevice::free_buffer>("freeBuffer"),
                                 method<&NativeDevice::make_library>("makeLibrary"),
                                 method<&NativeDevice::make_pipeline>("makePipeline"),
                                 method<&NativeDevice::dispatch>("dispatch"),
                                 method<&NativeDevice::wait>("wait"),
                                 method<&NativeDevice::wait_async>("waitAsync"),
                             });
  }

  /// (makeError, emulatorOptions)
  explicit NativeDevice(const Napi::CallbackInfo& info) : ExportedClass<NativeDevice>(info) {
    errors_ = Errors().guard(info.Env(), "metal",
                             [&] { return std::make_shared<Errors>(function(info[0], "makeError")); });
    errors_->guard(info.Env(), "metal", [&] { shared_ = std::make_shared<SharedDevice>(open(info[1])); });
  }

  template <typename Body>
  auto guard(Napi::Env env, Body body) const {
    return errors_->guard(env, "metal", body);
  }

 private:
  std::unique_lock<std::mutex> lock() { return std::unique_lock(shared_->mutex); }
  Device& device() { return *shared_->device; }

  static std::unique_ptr<Device> open([[maybe_unused]] const Napi::Value& value) {
#ifdef ATTENTION_METAL_EMULATOR
    const Napi::Object given = object(value, "options");
    EmulatorOptions options;
    options.cache_folder = text(given.Get("cacheFolder"), "options.cacheFolder");
    options.source_folder = text(given.Get("sourceFolder"), "options.sourceFolder");
    options.checked = boolean(given.Get("checked"), "options.checked");
    const auto make = [&] { return make_emulated_device(options); };
#else
    const auto make = [] { return make_apple_device(); };
#endif
    try {
      return make();
    } catch (const DeviceError& error) {
      throw AddonError("ERR_NO_DEVICE", error.what());
    }
  }

  Napi::Value name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), device().name()); }

  Napi::Value is_emulated(const Napi::CallbackInfo& info) {
#ifdef ATTENTION_METAL_EMULATOR
    return Napi::Boolean::New(info.Env(), true);
#else
    return Napi::Boolean::New(info.Env(), false);
#endif
  }

  /// () -> {allocated, recommended} in bytes
  Napi::Value memory(const Napi::CallbackInfo& info) {
    const auto locked = lock();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("allocated", double(device().allocated_size()));
    result.Set("recommended", double(device().limits().recommended_working_set_size));
    return result;
  }

  /// (byteLength)
  Napi::Value make_buffer(const Napi::CallbackInfo& info) {
    const std::size_t length = byte_length(info[0], "byteLength");
    auto handle = std::make_unique<BufferHandle>();
    {
      const auto locked = lock();
      handle->memory = device().make_buffer(length);
    }
    return hold(info.Env(), std::move(handle));
  }

  /// (buffer) -> ArrayBuffer, the same each time, which keeps the memory for as long as it may be read
  Napi::Value contents(const Napi::CallbackInfo& info) {
    auto& handle = held<BufferHandle>(info[0], "buffer");
    Buffer& buffer = handle.buffer();
    if (!handle.view.IsEmpty()) return handle.view.Value();
    const auto view = MemoryKeeper::expose(info.Env(), buffer.contents(), buffer.length(), handle.memory);
    handle.view = Napi::Reference<Napi::ArrayBuffer>::New(view, 1);
    return view;
  }

  /// (buffer, byte)
  void fill_buffer(const Napi::CallbackInfo& info) {
    Buffer& buffer = held<BufferHandle>(info[0], "buffer").buffer();
    std::memset(buffer.contents(), int(natural(info[1], "byte", 255)), buffer.length());
  }

  /// (buffer, Uint8Array): copies to the buffer's beginning
  void write_buffer(const Napi::CallbackInfo& info) {
    Buffer& buffer = held<BufferHandle>(info[0], "buffer").buffer();
    const Bytes source = bytes_that_fit(info[1], buffer);
    if (source.size > 0) std::memmove(buffer.contents(), source.data, source.size);
  }

  /// (buffer, Uint8Array): copies from the buffer's beginning
  void read_buffer(const Napi::CallbackInfo& info) {
    Buffer& buffer = held<BufferHandle>(info[0], "buffer").buffer();
    const Bytes destination = bytes_that_fit(info[1], buffer);
    if (destination.size > 0) std::memmove(destination.data, buffer.contents(), destination.size);
  }

  static Bytes bytes_that_fit(const Napi::Value& value, const Buffer& buffer) {
    const Bytes result = bytes(value, "bytes");
    if (result.size > buffer.length()) {
      fail("ERR_RANGE", "bytes", "at most " + std::to_string(buffer.length()) + ", the buffer's length");
    }
    return result;
  }

  /// (buffer)
  void free_buffer(const Napi::CallbackInfo& info) {
    auto& handle = held<BufferHandle>(info[0], "buffer");
    if (!handle.view.IsEmpty()) {
      Napi::ArrayBuffer view = handle.view.Value();
      if (!view.IsDetached()) view.Detach();
      handle.view.Reset();
    }
    const auto locked = lock();
    handle.memory.reset();
  }

  /// (name, source)
  Napi::Value make_library(const Napi::CallbackInfo& info) {
    const std::string name = text(info[0], "name");
    const std::string source = text(info[1], "source");
    auto handle = std::make_unique<LibraryHandle>();
    {
      const auto locked = lock();
      handle->library = device().make_library(source, name);
    }
    return hold(info.Env(), std::move(handle));
  }

  /// (library, function, constants)
  Napi::Value make_pipeline(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Library> library = held<LibraryHandle>(info[0], "library").library;
    const std::string function = text(info[1], "function");
    const FunctionConstants constants = function_constants(info[2]);
    auto handle = std::make_unique<PipelineHandle>();
    {
      const auto locked = lock();
      handle->pipeline = library->pipeline(function, constants);
    }
    return hold(info.Env(), std::move(handle));
  }

  /// (pipeline, buffers, parameters, [threadgroups x, y, z, threads x, y, z], bytes of [[threadgroup(0)]])
  void dispatch(const Napi::CallbackInfo& info) {
    Dispatch call;
    call.pipeline = held<PipelineHandle>(info[0], "pipeline").pipeline;
    const Napi::Array buffers = array(info[1], "buffers", max_buffers);
    const std::uint32_t count = buffers.Length();
    call.buffers.reserve(count);
    for (std::uint32_t i = 0; i < count; i++) {
      const auto& handle = held<BufferHandle>(buffers.Get(i), "buffers");
      handle.buffer();
      call.buffers.push_back({handle.memory, 0});
    }
    const Napi::Array grid = array(info[3], "grid", 6);
    for (std::uint32_t i = 0; i < 3; i++) {
      call.threadgroups[i] = std::uint32_t(natural(grid.Get(i), "grid", INT32_MAX));
      call.threads_per_threadgroup[i] = std::uint32_t(natural(grid.Get(i + 3), "grid", INT32_MAX));
    }
    const auto threadgroup_bytes = std::uint32_t(natural(info[4], "threadgroupBytes", INT32_MAX - 15));
    if (threadgroup_bytes > 0) call.threadgroup_bytes.push_back((threadgroup_bytes + 15) / 16 * 16);
    const Bytes parameters = bytes(info[2], "parameters");  // last: getters above may run JavaScript
    if (parameters.size > max_parameter_bytes) fail("ERR_RANGE", "parameters", "at most 4096 bytes");
    const auto* first = reinterpret_cast<const std::byte*>(parameters.data);
    call.parameters.assign(first, first + parameters.size);
    const auto locked = lock();
    device().dispatch(call);
  }

  void wait(const Napi::CallbackInfo&) {
    const auto locked = lock();
    device().wait();
  }

  Napi::Value wait_async(const Napi::CallbackInfo& info) {
    const auto work = [shared = shared_] {
      const std::lock_guard locked(shared->mutex);
      shared->device->wait();
    };
    return AsyncCall::start(info.Env(), errors_, "metal", work, [](Napi::Env env) { return env.Undefined(); });
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
