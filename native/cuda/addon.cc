// The N-API side of a context: memory, copies, waiting, authors' modules; and the operations of kernels/cuda.

#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "common/operation.h"
#include "context.h"
#include "download.h"
#include "errors.h"
#include "handles.h"

namespace attention::cuda {
namespace {

/// An integer of at least 0; more than 2^63 becomes that, which no memory has.
uint64_t natural(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) fail("ERR_DTYPE", name, "a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0) || std::trunc(number) != number) fail("ERR_RANGE", name, "an integer of at least 0");
  return number < 0x1p63 ? uint64_t(number) : uint64_t(1) << 63;
}

void* address_of(const Napi::Value& value) { return reinterpret_cast<void*>(natural(value, "address")); }

Napi::Number number_of(Napi::Env env, const void* address) {
  return Napi::Number::New(env, double(reinterpret_cast<uint64_t>(address)));
}

/// An optional property; 0 if there is none.
int small_number(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsUndefined() ? 0 : int(std::min<uint64_t>(natural(value, name), INT32_MAX));
}

/// What the backend compares with its own tables.
Napi::Array describe_operations(Napi::Env env) {
  auto result = Napi::Array::New(env);
  for (const Operation* operation : operations()) {
    auto description = Napi::Object::New(env);
    description.Set("name", operation->name());
    description.Set("tensors", operation->tensors());
    description.Set("layout", operation->layout());
    description.Set("byteLength", double(operation->bytes()));
    result.Set(result.Length(), description);
  }
  return result;
}

size_t size_of(const Napi::Value& value) { return natural(value, "byteLength"); }

Napi::Uint8Array bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    fail("ERR_DTYPE", "bytes", "a Uint8Array");
  }
  return value.As<Napi::Uint8Array>();
}

std::vector<uint64_t> naturals(const Napi::Value& value, const char* name, uint64_t most) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    fail("ERR_DTYPE", name, "a Float64Array");
  }
  auto array = value.As<Napi::Float64Array>();
  std::vector<uint64_t> result;
  for (size_t i = 0; i < array.ElementLength(); i++) {
    if (!(array[i] >= 0 && array[i] <= double(most))) fail("ERR_RANGE", name, "integers in the range of the device");
    result.push_back(uint64_t(array[i]));
  }
  return result;
}

class NativeContext : public Napi::ObjectWrap<NativeContext> {
 public:
  static Napi::Function define(Napi::Env env) {
    std::vector<PropertyDescriptor> properties = {
        InstanceAccessor<&NativeContext::device_name>("deviceName"),
        InstanceAccessor<&NativeContext::architecture>("architecture"),
        InstanceAccessor<&NativeContext::multiprocessors>("multiprocessors"),
        InstanceAccessor<&NativeContext::driver_version>("driverVersion"),
        InstanceAccessor<&NativeContext::is_emulated>("isEmulated"),
        InstanceAccessor<&NativeContext::launches>("launches"),
        InstanceAccessor<&NativeContext::memory_use>("memoryUse"),
        InstanceMethod<&NativeContext::run>("run"),
        InstanceMethod<&NativeContext::allocate>("allocate"),
        InstanceMethod<&NativeContext::free>("free"),
        InstanceMethod<&NativeContext::allocate_pinned>("allocatePinned"),
        InstanceMethod<&NativeContext::free_pinned>("freePinned"),
        InstanceMethod<&NativeContext::upload>("upload"),
        InstanceMethod<&NativeContext::fill>("fillBytes"),
        InstanceMethod<&NativeContext::download>("download"),
        InstanceMethod<&NativeContext::download_async>("downloadAsync"),
        InstanceMethod<&NativeContext::wait>("wait"),
        InstanceMethod<&NativeContext::trim>("trim"),
        InstanceMethod<&NativeContext::memory>("memory"),
        InstanceMethod<&NativeContext::start_stopwatch>("startStopwatch"),
        InstanceMethod<&NativeContext::stop_stopwatch>("stopStopwatch"),
        InstanceMethod<&NativeContext::milliseconds>("milliseconds"),
        InstanceMethod<&NativeContext::load_module>("loadModule"),
        InstanceMethod<&NativeContext::launch_module>("launchModule"),
    };
    return DefineClass(env, "NativeContext", properties);
  }

  /// (makeError, {ordinal, architecture?, splits?})
  explicit NativeContext(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<NativeContext>(info), errors_(std::make_shared<Errors>(info[0].As<Napi::Function>())) {
    errors_->guard(info.Env(), "cuda", [&] {
      const auto options = info[1].As<Napi::Object>();
      context_ = std::make_shared<Context>(ContextOptions{
          .ordinal = small_number(options, "ordinal"),
          .architecture = small_number(options, "architecture"),
          .splits = small_number(options, "splits"),
      });
      share_memory_use(info.Env());
      context_->on_low_memory([this] { release_spare(); });
    });
  }

 private:
  /// Runs `body` on the context's device, with errors that name `operation`.
  template <typename Body>
  auto guard(const Napi::CallbackInfo& info, const char* operation, Body body) {
    return guarded(*errors_, *context_, info.Env(), operation, [&] {
      context_->make_current();
      return body();
    });
  }

  /// Launches what `body` launches, under a name for errors that show up later.
  template <typename Body>
  void launch(const std::string& name, Body body) {
    body();
    context_->note_launch(name);
    if (context_->is_synchronous()) context_->wait();
  }

  /// Counts memory in numbers that JavaScript sees, too. They are not JavaScript's memory: it may transfer its array away.
  void share_memory_use(Napi::Env env) {
    static_assert(sizeof(MemoryUse) == 3 * sizeof(double));
    const auto use = std::make_shared<MemoryUse>();
    auto* owner = new std::shared_ptr<MemoryUse>(use);
    const auto buffer = Napi::ArrayBuffer::New(
        env, use.get(), sizeof(MemoryUse), [](Napi::Env, void*, std::shared_ptr<MemoryUse>* held) { delete held; },
        owner);
    memory_use_ = Napi::Persistent(Napi::Float64Array::New(env, 3, buffer, 0));
    context_->count_in(use);
  }

  /// Calls what JavaScript has given to `releaseSpare`, a property that keeps nothing alive longer than this object.
  void release_spare() {
    const Napi::HandleScope scope(Env());
    const Napi::Value release = Value().Get("releaseSpare");
    if (release.IsFunction()) release.As<Napi::Function>().Call(Value(), {});
  }

  Napi::Value launches(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), double(*context_->launch_context().launches));
  }
  Napi::Value memory_use(const Napi::CallbackInfo&) { return memory_use_.Value(); }

  /// (index in `operations`, ArrayBuffer of its parameter struct)
  void run(const Napi::CallbackInfo& info) {
    const Operation& operation = *operation_of(info);
    guard(info, operation.name().c_str(), [&] {
      // A copy: what runs out of memory calls JavaScript, which must not change what was checked.
      alignas(16) unsigned char params[Operation::max_bytes];
      copy_params(info, operation, params);
      operation.check(params);
      launch(operation.name(), [&] { operation.launch(context_->launch_context(), params); });
    });
  }

  const Operation* operation_of(const Napi::CallbackInfo& info) const {
    return errors_->guard(info.Env(), "cuda", [&]() -> const Operation* {
      uint32_t index = 0;
      const napi_status status = napi_get_value_uint32(info.Env(), info[0], &index);
      if (status != napi_ok || index >= operations().size()) fail("ERR_RANGE", "operation", "an index of the addon's");
      return operations()[index];
    });
  }

  static void copy_params(const Napi::CallbackInfo& info, const Operation& operation, unsigned char* to) {
    void* data = nullptr;
    size_t bytes = 0;
    const napi_status status = napi_get_arraybuffer_info(info.Env(), info[1], &data, &bytes);
    if (status != napi_ok) fail("ERR_DTYPE", "params", "an ArrayBuffer");
    if (bytes != operation.bytes()) {
      throw DeviceError("ERR_RANGE", "params: expected " + std::to_string(operation.bytes()) + " bytes, received " +
                                         std::to_string(bytes));
    }
    std::memcpy(to, data, bytes);
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
  Napi::Value is_emulated(const Napi::CallbackInfo& info) {
#ifdef ATTENTION_CUDA_EMULATOR
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
  Napi::Value allocate_pinned(const Napi::CallbackInfo& info) {
    return guard(info, "cuda", [&] { return number_of(info.Env(), context_->allocate_pinned(size_of(info[0]))); });
  }
  void free_pinned(const Napi::CallbackInfo& info) {
    guard(info, "cuda", [&] { context_->free_pinned(address_of(info[0])); });
  }

  /// (address, Uint8Array)
  void upload(const Napi::CallbackInfo& info) {
    guard(info, "upload", [&] {
      auto bytes = bytes_of(info[1]);
      launch("upload", [&] { context_->upload(address_of(info[0]), bytes.Data(), bytes.ByteLength()); });
    });
  }
  /// (address, byte, byteLength)
  void fill(const Napi::CallbackInfo& info) {
    guard(info, "fillBytes", [&] {
      const auto byte = int(natural(info[1], "byte") & 0xff);
      launch("fillBytes", [&] { context_->fill(address_of(info[0]), byte, size_of(info[2])); });
    });
  }
  /// (address, Uint8Array to fill)
  void download(const Napi::CallbackInfo& info) {
    guard(info, "readSync", [&] {
      auto bytes = bytes_of(info[1]);
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
  void trim(const Napi::CallbackInfo& info) {
    guard(info, "cuda", [&] { context_->trim(); });
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    return guard(info, "memory", [&]() -> Napi::Value {
      const MemoryFigures figures = context_->memory();
      Napi::Object result = Napi::Object::New(info.Env());
      const std::pair<const char*, uint64_t> fields[] = {
          {"used", figures.used},       {"reserved", figures.reserved},      {"pinned", figures.pinned},
          {"staging", figures.staging}, {"deviceFree", figures.device_free}, {"deviceTotal", figures.device_total},
      };
      for (const auto& [name, value] : fields) result.Set(name, Napi::Number::New(info.Env(), double(value)));
      return result;
    });
  }

  Napi::Value start_stopwatch(const Napi::CallbackInfo& info) {
    return guard(info, "time", [&]() -> Napi::Value {
      return hold(info.Env(), std::make_unique<Stopwatch>(context_));
    });
  }
  void stop_stopwatch(const Napi::CallbackInfo& info) {
    guard(info, "time", [&] { held<Stopwatch>(info[0], "stopwatch").stop(); });
  }
  /// Of a stopwatch whose end the device has passed.
  Napi::Value milliseconds(const Napi::CallbackInfo& info) {
    return guard(info, "time", [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), held<Stopwatch>(info[0], "stopwatch").milliseconds());
    });
  }

  /// (Uint8Array of PTX or cubin)
  Napi::Value load_module(const Napi::CallbackInfo& info) {
    return guard(info, "loadModule", [&]() -> Napi::Value {
      auto bytes = bytes_of(info[0]);
      const std::vector<char> image(bytes.Data(), bytes.Data() + bytes.ByteLength());
      return hold(info.Env(), std::make_unique<LoadedModule>(context_, image));
    });
  }
  /// (module, function name, Float64Array of 3 block and 3 thread counts and shared bytes, parameters, their offsets)
  void launch_module(const Napi::CallbackInfo& info) {
    const std::string function = info[1].ToString();
    guard(info, function.c_str(), [&] {
      auto& loaded = held<LoadedModule>(info[0], "module");
      const std::vector<uint64_t> sizes = naturals(info[2], "sizes", INT32_MAX);
      if (sizes.size() != 7) fail("ERR_RANGE", "sizes", "7 of them");
      auto parameters = bytes_of(info[3]);
      const std::vector<uint64_t> offsets = naturals(info[4], "offsets", INT32_MAX);
      for (const uint64_t offset : offsets) {
        if (offset + Module::most_parameter_bytes <= parameters.ByteLength()) continue;
        fail("ERR_RANGE", "offsets", "8 bytes of the parameters at each");
      }
      Grid grid;
      grid.blocks = {int64_t(sizes[0]), int64_t(sizes[1]), int64_t(sizes[2])};
      grid.threads = dim3(unsigned(sizes[3]), unsigned(sizes[4]), unsigned(sizes[5]));
      grid.shared_bytes = sizes[6];
      launch(function, [&] {
        loaded.module().launch(
            context_->launch_context(), function, grid,
            std::vector<unsigned char>(parameters.Data(), parameters.Data() + parameters.ByteLength()),
            std::vector<int64_t>(offsets.begin(), offsets.end()));
      });
    });
  }

  std::shared_ptr<Errors> errors_;
  std::shared_ptr<Context> context_;
  Napi::Reference<Napi::Float64Array> memory_use_;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeContext", NativeContext::define(env));
  exports.Set("operations", describe_operations(env));
  return exports;
}

NODE_API_MODULE(attention_cuda, init)

}  // namespace
}  // namespace attention::cuda
