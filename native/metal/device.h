#pragma once

// The interface of a Metal device; the rest of the backend uses only this. apple/device.mm implements it with
// Metal.framework; the emulator runs the same shader source on the CPU, for tests on machines without a Mac.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../common/addon_error.h"

namespace attention::metal {

/// The device cannot do what was asked: no device, out of memory, bad arguments of a call.
class DeviceError : public AddonError {
 public:
  explicit DeviceError(const std::string& message, const char* code = "ERR_DEVICE") : AddonError(code, message) {}
};

/// A buffer could not be allocated.
class OutOfMemoryError : public DeviceError {
 public:
  explicit OutOfMemoryError(const std::string& message) : DeviceError(message, "ERR_OUT_OF_MEMORY") {}
};

/// A shader does not compile, or a dispatch of it failed. `what()` names shader and function and ends with the
/// compiler's or the device's message.
class ShaderError : public AddonError {
 public:
  ShaderError(std::string shader, const std::string& message)
      : AddonError("ERR_DEVICE", shader + ": " + message), shader_(std::move(shader)) {}
  const std::string& shader() const { return shader_; }

 private:
  std::string shader_;
};

/// Memory that CPU and GPU share. The device keeps it alive until the dispatches that use it are done, so a caller may
/// drop its pointer at any time; it may touch `contents()` only after `Device::wait()`.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual void* contents() = 0;
  virtual std::size_t length() const = 0;  // bytes
};

/// One kernel with its function constants.
class Pipeline {
 public:
  virtual ~Pipeline() = default;
  virtual unsigned max_threads_per_threadgroup() const = 0;
};

/// A function constant by its name in the source. Integers are converted to the type that the source declares.
using FunctionConstant = std::variant<bool, std::int64_t, double>;
using FunctionConstants = std::map<std::string, FunctionConstant>;

/// A compiled shader file.
class Library {
 public:
  virtual ~Library() = default;
  /// The names of its kernels: [[host_name]] if given.
  virtual std::vector<std::string> functions() const = 0;
  /// Cached: the same function and constants give the same pipeline. Constants that are not named stay undefined
  /// (`is_function_constant_defined`). Throws ShaderError for an unknown function or constant.
  virtual std::shared_ptr<Pipeline> pipeline(const std::string& function, const FunctionConstants& constants) = 0;
};

struct BufferBinding {
  std::shared_ptr<Buffer> buffer;  // not null: an absent argument is bound to a small dummy buffer
  std::size_t offset = 0;          // bytes
};

using Size = std::array<std::uint32_t, 3>;

struct Dispatch {
  std::shared_ptr<Pipeline> pipeline;
  std::vector<BufferBinding> buffers;           // [[buffer(0)]] ... [[buffer(n - 1)]]
  std::vector<std::byte> parameters;            // [[buffer(n)]], copied; at most 4096 bytes; none if empty
  std::vector<std::uint32_t> threadgroup_bytes;  // lengths of [[threadgroup(0)]], [[threadgroup(1)]] ...; multiples of 16
  Size threadgroups = {1, 1, 1};
  Size threads_per_threadgroup = {1, 1, 1};
};

struct Limits {
  std::size_t max_buffer_length;              // bytes
  std::size_t max_threadgroup_memory_length;  // bytes
  std::size_t recommended_working_set_size;   // bytes
  unsigned max_threads_per_threadgroup;
  unsigned simd_width;
};

/// Used from one thread at a time.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;
  virtual Limits limits() const = 0;
  /// Bytes in buffers that are not freed yet.
  virtual std::size_t allocated_size() const = 0;
  /// Shared memory, 16-byte aligned or better, not initialised; `length` 0 gives a buffer of at least one byte.
  virtual std::shared_ptr<Buffer> make_buffer(std::size_t length) = 0;
  /// `name` is what errors call it, e.g. "rms_norm". Not cached here.
  virtual std::shared_ptr<Library> make_library(const std::string& source, const std::string& name) = 0;
  /// Runs after all earlier dispatches, possibly later. Throws at once what it can see at once.
  virtual void dispatch(const Dispatch& dispatch) = 0;
  /// Returns when everything dispatched is done; throws ShaderError if any of it failed since the last wait.
  virtual void wait() = 0;
};

/// The system's Metal device (apple/device.mm). Throws DeviceError if there is none.
std::unique_ptr<Device> make_apple_device();

}  // namespace attention::metal
