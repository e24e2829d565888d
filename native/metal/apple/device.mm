// The Metal device of Metal.framework. Built with ARC for macOS 14 and later (Metal 3.1).
// Nobody has run it yet: it is checked as far as declarations/ goes.

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <algorithm>
#include <set>
#include <utility>

#include "../device.h"

namespace attention::metal {

namespace {

constexpr std::size_t parameter_bytes = 4096;  // what setBytes takes
constexpr unsigned simd_width = 32;
// Dispatches to a command buffer. More keep the GPU waiting for its first work, fewer cost more to submit.
constexpr std::size_t batch_dispatches = 48;

NSString* to_ns_string(const std::string& text) { return [NSString stringWithUTF8String:text.c_str()]; }

std::string to_string(NSString* text) { return text ? std::string(text.UTF8String) : std::string(); }

std::string describe(NSError* error) { return error ? to_string(error.localizedDescription) : "no reason given"; }

class AppleBuffer final : public Buffer {
 public:
  AppleBuffer(id<MTLBuffer> buffer, std::size_t length) : buffer(buffer), length_(length) {}
  void* contents() override { return [buffer contents]; }
  std::size_t length() const override { return length_; }

  const id<MTLBuffer> buffer;

 private:
  std::size_t length_;
};

class ApplePipeline final : public Pipeline {
 public:
  ApplePipeline(id<MTLComputePipelineState> state, std::string shader, std::string function)
      : state(state), shader(std::move(shader)), function(std::move(function)) {}
  unsigned max_threads_per_threadgroup() const override { return static_cast<unsigned>(state.maxTotalThreadsPerThreadgroup); }

  const id<MTLComputePipelineState> state;
  const std::string shader, function;
};

template <class T>
void set_constant(MTLFunctionConstantValues* values, MTLFunctionConstant* constant, T value) {
  [values setConstantValue:&value type:constant.type withName:constant.name];
}

/// Converts a value to the type that the shader declares for the constant; false for a type that is not supported.
bool set_constant(MTLFunctionConstantValues* values, MTLFunctionConstant* constant, const FunctionConstant& value) {
  const auto convert = [&](auto target) {
    using T = decltype(target);
    set_constant(values, constant, std::visit([](auto v) { return static_cast<T>(v); }, value));
    return true;
  };
  switch (constant.type) {
    case MTLDataTypeBool: return convert(bool{});
    case MTLDataTypeChar: return convert(std::int8_t{});
    case MTLDataTypeUChar: return convert(std::uint8_t{});
    case MTLDataTypeShort: return convert(std::int16_t{});
    case MTLDataTypeUShort: return convert(std::uint16_t{});
    case MTLDataTypeInt: return convert(std::int32_t{});
    case MTLDataTypeUInt: return convert(std::uint32_t{});
    case MTLDataTypeFloat: return convert(float{});
    case MTLDataTypeHalf: {
      const __fp16 half = static_cast<__fp16>(std::visit([](auto v) { return static_cast<float>(v); }, value));
      [values setConstantValue:&half type:constant.type withName:constant.name];
      return true;
    }
    default: return false;
  }
}

class AppleLibrary final : public Library {
 public:
  AppleLibrary(id<MTLDevice> device, id<MTLLibrary> library, std::string name)
      : device_(device), library_(library), name_(std::move(name)) {}

  std::vector<std::string> functions() const override {
    @autoreleasepool {
      std::vector<std::string> names;
      for (NSString* name in library_.functionNames) names.push_back(to_string(name));
      return names;
    }
  }

  std::shared_ptr<Pipeline> pipeline(const std::string& function, const FunctionConstants& constants) override {
    std::shared_ptr<Pipeline>& cached = pipelines_[{function, constants}];
    if (!cached) cached = make(function, constants);
    return cached;
  }

 private:
  const id<MTLDevice> device_;
  const id<MTLLibrary> library_;
  const std::string name_;
  std::map<std::pair<std::string, FunctionConstants>, std::shared_ptr<Pipeline>> pipelines_;

  std::shared_ptr<Pipeline> make(const std::string& function, const FunctionConstants& constants) {
    @autoreleasepool {
      // Before it is specialised, a function tells the names and types of its constants.
      id<MTLFunction> general = [library_ newFunctionWithName:to_ns_string(function)];
      if (!general) throw ShaderError(name_, "there is no kernel " + function);
      NSError* error = nil;
      id<MTLFunction> special = [library_ newFunctionWithName:to_ns_string(function)
                                               constantValues:values(general, function, constants)
                                                        error:&error];
      if (!special) throw ShaderError(name_, function + ": " + describe(error));
      id<MTLComputePipelineState> state = [device_ newComputePipelineStateWithFunction:special error:&error];
      if (!state) throw ShaderError(name_, function + ": " + describe(error));
      if (state.threadExecutionWidth != simd_width) {
        throw ShaderError(name_, function + ": the device's simdgroups have " + std::to_string(state.threadExecutionWidth) +
                                     " threads, the shaders are written for 32");
      }
      return std::make_shared<ApplePipeline>(state, name_, function);
    }
  }

  MTLFunctionConstantValues* values(id<MTLFunction> general, const std::string& function, const FunctionConstants& constants) {
    MTLFunctionConstantValues* values = [MTLFunctionConstantValues new];
    NSDictionary<NSString*, MTLFunctionConstant*>* declared = general.functionConstantsDictionary;
    for (NSString* name in declared) {
      MTLFunctionConstant* constant = declared[name];
      const auto given = constants.find(to_string(name));
      // A constant that the shader asks `is_function_constant_defined` about may stay undefined; others are 0 unless given.
      if (given == constants.end() && !constant.required) continue;
      if (!set_constant(values, constant, given == constants.end() ? FunctionConstant(false) : given->second)) {
        throw ShaderError(name_, function + ": function constant " + to_string(name) + " has a type that is not supported");
      }
    }
    // A file's constants that this kernel does not use are not in the dictionary; they change nothing.
    return values;
  }
};

class AppleDevice final : public Device {
 public:
  explicit AppleDevice(id<MTLDevice> device) : device_(device), queue_([device newCommandQueue]) {
    if (!queue_) throw DeviceError("the Metal device gives no command queue");
  }

  ~AppleDevice() override {
    @autoreleasepool {
      submit();
      for (const Batch& batch : submitted_) [batch.buffer waitUntilCompleted];
    }
  }

  std::string name() const override { return to_string(device_.name); }

  Limits limits() const override {
    return {device_.maxBufferLength, device_.maxThreadgroupMemoryLength,
            static_cast<std::size_t>(device_.recommendedMaxWorkingSetSize),
            static_cast<unsigned>(device_.maxThreadsPerThreadgroup.width), simd_width};
  }

  std::size_t allocated_size() const override { return device_.currentAllocatedSize; }

  std::shared_ptr<Buffer> make_buffer(std::size_t length) override {
    @autoreleasepool {
      if (length > device_.maxBufferLength) {
        throw OutOfMemoryError("a buffer of " + std::to_string(length) + " bytes is longer than the device's limit of " +
                               std::to_string(device_.maxBufferLength));
      }
      id<MTLBuffer> buffer = [device_ newBufferWithLength:std::max<std::size_t>(length, 1) options:MTLResourceStorageModeShared];
      if (!buffer) throw OutOfMemoryError("cannot allocate a buffer of " + std::to_string(length) + " bytes");
      return std::make_shared<AppleBuffer>(buffer, length);
    }
  }

  std::shared_ptr<Library> make_library(const std::string& source, const std::string& name) override {
    @autoreleasepool {
      MTLCompileOptions* options = [MTLCompileOptions new];
      options.languageVersion = MTLLanguageVersion3_1;
      // Masks are infinities and bad rows are NaN: fast math may assume that there are none. Shaders say fast:: where they mean it.
      options.fastMathEnabled = NO;
      NSError* error = nil;
      id<MTLLibrary> library = [device_ newLibraryWithSource:to_ns_string(source) options:options error:&error];
      if (!library) throw ShaderError(name, describe(error));
      return std::make_shared<AppleLibrary>(device_, library, name);
    }
  }

  void dispatch(const Dispatch& dispatch) override {
    const auto* pipeline = dynamic_cast<const ApplePipeline*>(dispatch.pipeline.get());
    if (!pipeline) throw DeviceError("dispatch: the pipeline is not of this device");
    check(dispatch, *pipeline);
    @autoreleasepool {
      begin();
      [encoder_ setComputePipelineState:pipeline->state];
      NSUInteger index = 0;
      for (const BufferBinding& binding : dispatch.buffers) {
        // The command buffer retains it until it is done.
        [encoder_ setBuffer:static_cast<const AppleBuffer&>(*binding.buffer).buffer offset:binding.offset atIndex:index++];
      }
      if (!dispatch.parameters.empty()) {
        [encoder_ setBytes:dispatch.parameters.data() length:dispatch.parameters.size() atIndex:index];
      }
      for (std::size_t i = 0; i < dispatch.threadgroup_bytes.size(); ++i) {
        [encoder_ setThreadgroupMemoryLength:dispatch.threadgroup_bytes[i] atIndex:i];
      }
      [encoder_ dispatchThreadgroups:to_mtl_size(dispatch.threadgroups)
               threadsPerThreadgroup:to_mtl_size(dispatch.threads_per_threadgroup)];
      batch_.kernels.insert({pipeline->shader, pipeline->function});
      if (++batch_.dispatches == batch_dispatches) submit();
    }
  }

  void wait() override {
    @autoreleasepool {
      submit();
      std::vector<Batch> batches;
      batches.swap(submitted_);
      for (const Batch& batch : batches) [batch.buffer waitUntilCompleted];
      for (const Batch& batch : batches) {
        if (batch.buffer.status == MTLCommandBufferStatusError) fail(batch);
      }
    }
  }

 private:
  struct Batch {
    id<MTLCommandBuffer> buffer = nil;
    std::set<std::pair<std::string, std::string>> kernels;  // shader and function, for messages
    std::size_t dispatches = 0;
  };

  const id<MTLDevice> device_;
  const id<MTLCommandQueue> queue_;
  Batch batch_;  // being encoded
  id<MTLComputeCommandEncoder> encoder_ = nil;
  std::vector<Batch> submitted_;

  static MTLSize to_mtl_size(const Size& size) { return MTLSizeMake(size[0], size[1], size[2]); }

  void check(const Dispatch& dispatch, const ApplePipeline& pipeline) {
    const auto refuse = [&](const std::string& message) { throw ShaderError(pipeline.shader, pipeline.function + ": " + message); };
    std::uint64_t threads = 1;
    for (const std::uint32_t n : dispatch.threads_per_threadgroup) threads *= n;
    if (threads == 0 || threads > pipeline.max_threads_per_threadgroup()) {
      refuse(std::to_string(threads) + " threads in a threadgroup: 1 to " + std::to_string(pipeline.max_threads_per_threadgroup()) +
             " are possible");
    }
    for (const std::uint32_t n : dispatch.threadgroups) {
      if (n == 0) refuse("a grid without threadgroups");
    }
    if (dispatch.buffers.size() + !dispatch.parameters.empty() > 31) refuse("more than 31 buffers");
    if (dispatch.parameters.size() > parameter_bytes) refuse("more than 4096 bytes of parameters");
    for (const BufferBinding& binding : dispatch.buffers) {
      if (!dynamic_cast<const AppleBuffer*>(binding.buffer.get())) refuse("a buffer is not of this device");
      if (binding.offset > binding.buffer->length()) refuse("a buffer's offset is behind its end");
    }
    std::size_t bytes = pipeline.state.staticThreadgroupMemoryLength;
    for (const std::uint32_t length : dispatch.threadgroup_bytes) {
      if (length % 16 != 0) refuse("the length of a threadgroup argument is not a multiple of 16");
      bytes += length;
    }
    if (bytes > device_.maxThreadgroupMemoryLength) {
      refuse("threadgroup memory: " + std::to_string(bytes) + " bytes, more than " +
             std::to_string(device_.maxThreadgroupMemoryLength));
    }
  }

  void begin() {
    if (encoder_) return;
    batch_.buffer = [queue_ commandBuffer];
    // Serial: each dispatch sees what the ones before it wrote.
    encoder_ = [batch_.buffer computeCommandEncoder];
    if (!encoder_) {
      batch_ = Batch();
      throw DeviceError("the Metal device gives no command buffer");
    }
  }

  void submit() {
    if (!encoder_) return;
    [encoder_ endEncoding];
    encoder_ = nil;
    [batch_.buffer commit];
    forget_completed();
    submitted_.push_back(std::move(batch_));
    batch_ = Batch();
  }

  /// Buffers are freed once no command buffer holds them.
  void forget_completed() {
    submitted_.erase(std::remove_if(submitted_.begin(), submitted_.end(),
                                    [](const Batch& batch) { return batch.buffer.status == MTLCommandBufferStatusCompleted; }),
                     submitted_.end());
  }

  [[noreturn]] static void fail(const Batch& batch) {
    std::string shaders, functions;
    for (const auto& [shader, function] : batch.kernels) {
      shaders += (shaders.empty() ? "" : " or ") + shader;
      functions += (functions.empty() ? "" : ", ") + function;
    }
    throw ShaderError(shaders, functions + ": " + describe(batch.buffer.error));
  }
};

}  // namespace

std::unique_ptr<Device> make_apple_device() {
  @autoreleasepool {
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (!device) throw DeviceError("there is no Metal device");
    if (![device supportsFamily:MTLGPUFamilyApple7]) {
      throw DeviceError(to_string(device.name) + " is not supported: the shaders need an Apple GPU (M1 or later)");
    }
    return std::make_unique<AppleDevice>(device);
  }
}

}  // namespace attention::metal
