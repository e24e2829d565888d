// The N-API side of a context: memory, copies, waiting, authors' modules; and the operations of kernels/cuda.

#include <napi.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/operation.h"
#include "context.h"
#include "loaded_module.h"
#include "native/common/arguments.h"
#include "native/common/async.h"
#include "native/common/errors.h"
#include "native/common/exported_class.h"
#include "native/common/external_memory.h"
#include "native/common/handles.h"
#include "stopwatch.h"

namespace attention::cuda {
namespace {

void* address_of(const Napi::Value& value) { return reinterpret_cast<void*>(natural(value, "address")); }

Napi::Number number_of(Napi::Env env, const void* address) {
  return Napi::Number::New(env, double(reinterpret_cast<uint64_t>(address)));
}

/// An optional property; 0 if there is none. Values above INT32_MAX become INT32_MAX, which the context rejects.
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

size_t size_of(const Napi::Value& value) { return byte_length(value, "byteLength"); }

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

/// Runs `body`; converts errors of the device, and names the launches that a fault of `context`'s may come from.
template <typename Body>
auto with_device_errors(const Context* context, Body body) {
  try {
    return body();
  } catch (const DeviceError& error) {
    throw AddonError(error.code(), context ? context->explain(error) : error.what());
  }
}

class NativeContext : public ExportedClass<NativeContext> {
 public:
  static constexpr const char* class_name = "NativeContext";

  static Napi::Function define(Napi::Env env) {
    return define_class(env, {
                                 accessor<&NativeContext::device_name>("deviceName"),
                                 accessor<&NativeContext::architecture>("architecture"),
                                 accessor<&NativeContext::multiprocessors>("multiprocessors"),
                                 accessor<&NativeContext::driver_version>("driverVersion"),
                                 accessor<&NativeContext::is_emulated>("isEmulated"),
                                 accessor<&NativeContext::launches>("launches"),
                                 accessor<&NativeContext::memory_use>("memoryUse"),
                                 method<&NativeContext::run>("run"),
                                 method<&NativeContext::allocate>("allocate"),
                                 method<&NativeContext::free>("free"),
                                 method<&NativeContext::allocate_pinned>("allocatePinned"),
                                 method<&NativeContext::free_pinned>("freePinned"),
                                 method<&NativeContext::upload>("upload"),
                                 method<&NativeContext::fill>("fillBytes"),
                                 method<&NativeContext::download>("download"),
                                 method<&NativeContext::download_async>("downloadAsync"),
                                 method<&NativeContext::wait>("wait"),
                                 method<&NativeContext::trim>("trim"),
                                 method<&NativeContext::memory>("memory"),
                                 method<&NativeContext::start_stopwatch>("startStopwatch"),
                                 method<&NativeContext::stop_stopwatch>("stopStopwatch"),
                                 method<&NativeContext::milliseconds>("milliseconds"),
                                 method<&NativeContext::load_module>("loadModule"),
                                 method<&NativeContext::launch_module>("launchModule"),
                             });
  }

  /// (makeError, {ordinal, architecture?, splits?})
  explicit NativeContext(const Napi::CallbackInfo& info) : ExportedClass<NativeContext>(info) {
    errors_ = Errors().guard(info.Env(), "cuda",
                             [&] { return std::make_shared<Errors>(function(info[0], "makeError")); });
    errors_->guard(info.Env(), "cuda", [&] {
      const Napi::Object options = object(info[1], "options");
      const ContextOptions chosen{
          .ordinal = small_number(options, "ordinal"),
          .architecture = small_number(options, "architecture"),
          .splits = small_number(options, "splits"),
      };
      context_ = with_device_errors(nullptr, [&] { return std::make_shared<Context>(chosen); });
      share_memory_use(info.Env());
      context_->on_low_memory([this] { release_spare(); });
    });
  }

  /// Converts what a method throws outside of its own guard.
  template <typename Body>
  auto guard(Napi::Env env, Body body) const {
    return errors_->guard(env, "cuda", body);
  }

 private:
  /// Runs `body` on the context's device, with errors that name `operation`, and the launches that a fault may come from.
  template <typename Body>
  auto guard(const Napi::CallbackInfo& info, const char* operation, Body body) {
    return errors_->guard(info.Env(), operation, [&] {
      return with_device_errors(context_.get(), [&] {
        context_->make_current();
        return body();
      });
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
    const auto buffer = MemoryKeeper::expose(env, use.get(), sizeof(MemoryUse), use);
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
    const Operation& operation = operation_of(info);
    guard(info, operation.name().c_str(), [&] {
      // A copy: what runs out of memory calls JavaScript, which must not change what was checked.
      alignas(16) unsigned char params[Operation::max_bytes];
      copy_params(info, operation, params);
      operation.check(params);
      check_tensors(operation, params);
      launch(operation.name(), [&] { operation.launch(context_->launch_context(), params); });
    });
  }

  /// Tensors, which come first, are allocations, or null.
  void check_tensors(const Operation& operation, const unsigned char* params) const {
    for (size_t i = 0; i < operation.num_tensors(); i++) {
      Operand tensor;
      std::memcpy(&tensor, params + i * sizeof(Operand), sizeof(Operand));
      context_->check_allocated(tensor.data, 0, "tensor");
    }
  }

  static const Operation& operation_of(const Napi::CallbackInfo& info) {
    uint32_t index = 0;
    const napi_status status = napi_get_value_uint32(info.Env(), info[0], &index);
    if (status != napi_ok || index >= operations().size()) fail("ERR_RANGE", "operation", "an index into `operations`");
    return *operations()[index];
  }

  static void copy_params(const Napi::CallbackInfo& info, const Operation& operation, unsigned char* to) {
    void* data = nullptr;
    size_t bytes = 0;
    const napi_status status = napi_get_arraybuffer_info(info.Env(), info[1], &data, &bytes);
    if (status != napi_ok) fail("ERR_DTYPE", "params", "an ArrayBuffer");
    if (bytes != operation.bytes()) {
      fail("ERR_RANGE", "params", std::to_string(operation.bytes()) + " bytes, received " + std::to_string(bytes));
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
      void* to = address_of(info[0]);
      const Bytes source = bytes(info[1], "bytes");
      context_->check_allocated(to, source.size, "address");
      launch("upload", [&] { context_->upload(to, source.data, source.size); });
    });
  }
  /// (address, byte, byteLength)
  void fill(const Napi::CallbackInfo& info) {
    guard(info, "fillBytes", [&] {
      const auto byte = int(natural(info[1], "byte") & 0xff);
      void* to = address_of(info[0]);
      const size_t size = size_of(info[2]);
      context_->check_allocated(to, size, "address");
      launch("fillBytes", [&] { context_->fill(to, byte, size); });
    });
  }
  /// (address, Uint8Array to fill)
  void download(const Napi::CallbackInfo& info) {
    guard(info, "readSync", [&] {
      const Bytes destination = bytes(info[1], "bytes");
      const void* from = address_of(info[0]);
      context_->check_allocated(from, destination.size, "address");
      context_->download(destination.data, from, destination.size);
    });
  }
  /// (address, byteLength) -> Promise<ArrayBuffer>
  Napi::Value download_async(const Napi::CallbackInfo& info) {
    return guard(info, "read", [&]() -> Napi::Value {
      const size_t size = size_of(info[1]);
      const void* from = address_of(info[0]);
      context_->check_allocated(from, size, "address");
      const std::shared_ptr<PinnedBuffer> buffer = context_->start_download(from, size);
      const auto status = std::make_shared<cudaError_t>(cudaSuccess);
      const auto wait = [context = context_, buffer, status] {
        *status = cudaSetDevice(context->launch_context().device.ordinal);
        if (*status == cudaSuccess) *status = buffer->wait();
      };
      const auto finish = [context = context_, buffer, status, size](Napi::Env env) -> Napi::Value {
        with_device_errors(context.get(), [&] { check(*status, "the device"); });
        auto result = Napi::ArrayBuffer::New(env, size);
        if (size > 0) std::memcpy(result.Data(), buffer->data(), size);
        context->finish_download(buffer);
        return result;
      };
      return AsyncCall::start(info.Env(), errors_, "read", wait, finish);
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
      const Bytes image_bytes = bytes(info[0], "image");
      const std::vector<char> image(image_bytes.data, image_bytes.data + image_bytes.size);
      return hold(info.Env(), std::make_unique<LoadedModule>(context_, image));
    });
  }
  /// (module, function name, Float64Array of 3 block and 3 thread counts and shared bytes, parameters, their offsets)
  void launch_module(const Napi::CallbackInfo& info) {
    const std::string function = text(info[1], "function");
    guard(info, function.c_str(), [&] {
      auto& loaded = held<LoadedModule>(info[0], "module");
      const std::vector<uint64_t> sizes = naturals(info[2], "sizes", INT32_MAX);
      if (sizes.size() != 7) fail("ERR_RANGE", "sizes", "7 of them");
      const Bytes parameters = bytes(info[3], "parameters");
      const std::vector<uint64_t> offsets = naturals(info[4], "offsets", INT32_MAX);
      for (const uint64_t offset : offsets) {
        if (offset + Module::most_parameter_bytes <= parameters.size) continue;
        fail("ERR_RANGE", "offsets", "8 bytes of the parameters at each");
      }
      Grid grid;
      grid.blocks = {int64_t(sizes[0]), int64_t(sizes[1]), int64_t(sizes[2])};
      grid.threads = dim3(unsigned(sizes[3]), unsigned(sizes[4]), unsigned(sizes[5]));
      grid.shared_bytes = sizes[6];
      launch(function, [&] {
        loaded.module().launch(
            context_->launch_context(), function, grid,
            std::vector<unsigned char>(parameters.data, parameters.data + parameters.size),
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
