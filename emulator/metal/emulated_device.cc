#include "emulated_device.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "compile.h"
#include "execute.h"
#include "guarded_memory.h"

namespace attention::metal {

namespace {

/// Bytes in buffers, which may outlive their device.
using AllocatedSize = std::atomic<std::size_t>;

class EmulatedBuffer final : public Buffer {
 public:
  EmulatedBuffer(std::size_t length, bool checked, std::shared_ptr<AllocatedSize> allocated)
      : length_(length), allocated_(std::move(allocated)) {
    const std::size_t bytes = emulator::round_up(std::max<std::size_t>(length, 1), 256);
    try {
      // Pages of its own, so that what runs over its end meets no other buffer.
      if (checked) guarded_ = emulator::GuardedMemory(bytes);
    } catch (const std::bad_alloc&) {
      throw out_of_memory();
    }
    memory_ = checked ? guarded_.begin() : std::aligned_alloc(256, bytes);
    if (!memory_) throw out_of_memory();
    *allocated_ += length_;
  }
  ~EmulatedBuffer() override {
    *allocated_ -= length_;
    if (!guarded_.begin()) std::free(memory_);
  }
  EmulatedBuffer(const EmulatedBuffer&) = delete;
  void* contents() override { return memory_; }
  std::size_t length() const override { return length_; }

 private:
  void* memory_;
  emulator::GuardedMemory guarded_;
  std::size_t length_;
  std::shared_ptr<AllocatedSize> allocated_;

  OutOfMemoryError out_of_memory() const {
    return OutOfMemoryError("cannot allocate a buffer of " + std::to_string(length_) + " bytes");
  }
};

class EmulatedLibrary;

class EmulatedPipeline final : public Pipeline {
 public:
  EmulatedPipeline(std::shared_ptr<EmulatedLibrary> library, const mtl::Kernel& kernel, FunctionConstants constants)
      : library(std::move(library)), kernel(kernel), constants(std::move(constants)) {}
  unsigned max_threads_per_threadgroup() const override { return mtl::max_threads; }

  const std::shared_ptr<EmulatedLibrary> library;
  const mtl::Kernel& kernel;
  const FunctionConstants constants;
};

class EmulatedLibrary final : public Library, public std::enable_shared_from_this<EmulatedLibrary> {
 public:
  EmulatedLibrary(std::string name, Compiler::Loaded loaded) : name(std::move(name)), loaded_(std::move(loaded)) {}

  std::vector<std::string> functions() const override {
    std::vector<std::string> names;
    for (unsigned i = 0; i < module().kernel_count; ++i) names.push_back(module().kernels[i].name);
    return names;
  }

  std::shared_ptr<Pipeline> pipeline(const std::string& function, const FunctionConstants& constants) override {
    // Held weakly: a pipeline holds its library.
    std::weak_ptr<EmulatedPipeline>& cached = pipelines_[{function, constants}];
    if (std::shared_ptr<EmulatedPipeline> pipeline = cached.lock()) return pipeline;
    for (const auto& [constant, value] : constants) find(function, constant);
    for (unsigned i = 0; i < module().kernel_count; ++i) {
      const mtl::Kernel& kernel = module().kernels[i];
      if (kernel.name != function) continue;
      auto pipeline = std::make_shared<EmulatedPipeline>(shared_from_this(), kernel, constants);
      cached = pipeline;
      return pipeline;
    }
    throw ShaderError(name, "there is no kernel " + function);
  }

  /// Function constants are variables of the library: those of the pipeline that runs are set before it does.
  void select(const EmulatedPipeline& pipeline) {
    if (selected_ && *selected_ == pipeline.constants) return;
    for (unsigned i = 0; i < module().constant_count; ++i) {
      *module().constants[i].defined = false;
      module().constants[i].set(0, 0);
    }
    for (const auto& [constant, value] : pipeline.constants) {
      const mtl::Constant& target = find(pipeline.kernel.name, constant);
      *target.defined = true;
      std::visit([&](auto v) { target.set(static_cast<std::int64_t>(v), static_cast<double>(v)); }, value);
    }
    module().derive_constants();
    selected_ = std::make_unique<FunctionConstants>(pipeline.constants);
  }

  const mtl::Module& module() const { return *loaded_.module; }

  const std::string name;

 private:
  Compiler::Loaded loaded_;
  std::map<std::pair<std::string, FunctionConstants>, std::weak_ptr<EmulatedPipeline>> pipelines_;
  std::unique_ptr<FunctionConstants> selected_;

  const mtl::Constant& find(const std::string& function, const std::string& constant) const {
    for (unsigned i = 0; i < module().constant_count; ++i) {
      if (module().constants[i].name == constant) return module().constants[i];
    }
    throw ShaderError(name, function + ": there is no function constant " + constant);
  }
};

class EmulatedDevice final : public Device {
 public:
  explicit EmulatedDevice(const EmulatorOptions& options)
      : checked_(options.checked),
        compiler_(options),
        executor_(options.workers ? options.workers : std::max(1u, std::thread::hardware_concurrency())) {}

  std::string name() const override { return "Metal shaders on the CPU (for tests)"; }

  Limits limits() const override {
    return {std::size_t(1) << 33, mtl::max_threadgroup_memory, std::size_t(1) << 32, mtl::max_threads, mtl::simd_width};
  }

  std::size_t allocated_size() const override { return *allocated_; }

  std::shared_ptr<Buffer> make_buffer(std::size_t length) override {
    if (length > limits().max_buffer_length) {
      throw OutOfMemoryError("a buffer of " + std::to_string(length) + " bytes is longer than the device allows");
    }
    return std::make_shared<EmulatedBuffer>(length, checked_, allocated_);
  }

  std::shared_ptr<Library> make_library(const std::string& source, const std::string& name) override {
    return std::make_shared<EmulatedLibrary>(name, compiler_.load(source, name));
  }

  void dispatch(const Dispatch& dispatch) override {
    const auto* pipeline = dynamic_cast<const EmulatedPipeline*>(dispatch.pipeline.get());
    if (!pipeline) throw DeviceError("dispatch: the pipeline is not of this device");
    const std::string where = pipeline->library->name;
    const std::string function = pipeline->kernel.name;
    const auto fail = [&](const std::string& message) { throw ShaderError(where, function + ": " + message); };

    Grid grid{};
    grid.entry = pipeline->kernel.entry;
    grid.checked = checked_;
    const char* order = std::getenv("ATTENTION_METAL_EMULATOR_ORDER");
    grid.reversed = order && std::strcmp(order, "reversed") == 0;
    const auto triple = [](const auto& counts) { return mtl::Triple{counts[0], counts[1], counts[2]}; };
    grid.count = triple(dispatch.threadgroups);
    grid.size = triple(dispatch.threads_per_threadgroup);
    std::uint64_t threads = 1;
    for (const std::uint32_t n : dispatch.threads_per_threadgroup) threads *= n;
    if (threads == 0 || threads > mtl::max_threads) fail(std::to_string(threads) + " threads in a threadgroup: 1 to 1024 are possible");
    for (const std::uint32_t n : dispatch.threadgroups) {
      if (n == 0) fail("a grid without threadgroups");
    }

    if (dispatch.buffers.size() + !dispatch.parameters.empty() > mtl::max_buffers) fail("more than 31 buffers");
    if (dispatch.parameters.size() > 4096) fail("more than 4096 bytes of parameters");
    unsigned bound = 0;
    for (const BufferBinding& binding : dispatch.buffers) {
      if (!binding.buffer) fail("buffer " + std::to_string(bound) + " is null");
      if (binding.offset > binding.buffer->length()) fail("buffer " + std::to_string(bound) + ": the offset is behind its end");
      const auto* memory = static_cast<const unsigned char*>(binding.buffer->contents());
      grid.ranges.push_back({memory, memory + binding.buffer->length(), "buffer " + std::to_string(bound)});
      grid.buffers[bound++] = memory + binding.offset;
    }
    // A copy of their own, as Metal makes one, with the alignment that a struct may need.
    alignas(256) std::byte parameters[4096 + 256];
    if (!dispatch.parameters.empty()) {
      std::memcpy(parameters, dispatch.parameters.data(), dispatch.parameters.size());
      const auto* memory = reinterpret_cast<const unsigned char*>(parameters);
      grid.ranges.push_back(
          {memory, memory + dispatch.parameters.size(), "the parameters (buffer " + std::to_string(bound) + ")"});
      grid.buffers[bound++] = memory;
    }

    if (dispatch.threadgroup_bytes.size() > mtl::max_buffers) fail("more than 31 threadgroup arguments");
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < dispatch.threadgroup_bytes.size(); ++i) {
      if (dispatch.threadgroup_bytes[i] % 16 != 0) fail("the length of a threadgroup argument is not a multiple of 16");
      grid.threadgroup_bytes[i] = dispatch.threadgroup_bytes[i];
      bytes += dispatch.threadgroup_bytes[i];
    }
    if (bytes > mtl::max_threadgroup_memory) fail("threadgroup memory: " + std::to_string(bytes) + " bytes, more than 32768");

    pipeline->library->select(*pipeline);
    for (unsigned i = 0; i < pipeline->kernel.argument_count; ++i) {
      const mtl::Argument& argument = pipeline->kernel.arguments[i];
      if (argument.present && !*argument.present) continue;
      if (argument.kind == mtl::Argument::buffer && argument.index >= bound) {
        fail("[[buffer(" + std::to_string(argument.index) + ")]] is not bound");
      }
      if (argument.kind == mtl::Argument::threadgroup && grid.threadgroup_bytes[argument.index] == 0) {
        fail("[[threadgroup(" + std::to_string(argument.index) + ")]] has no length");
      }
    }

    const mtl::Module& module = pipeline->library->module();
    grid.ranges.push_back({module.begin, module.end, "the shader's constants"});
    if (module.accessed) *module.accessed = accessed;
    const std::string error = executor_.run(grid);
    if (module.accessed) *module.accessed = nullptr;
    if (!error.empty()) fail(error);
  }

  void wait() override {}

 private:
  bool checked_;
  Compiler compiler_;
  Executor executor_;
  std::shared_ptr<AllocatedSize> allocated_ = std::make_shared<AllocatedSize>(0);
};

}  // namespace

std::unique_ptr<Device> make_emulated_device(const EmulatorOptions& options) { return std::make_unique<EmulatedDevice>(options); }

}  // namespace attention::metal
