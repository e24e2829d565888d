#include "module.h"

#include <cstring>
#include <utility>

namespace attention::cuda {
namespace {

template <typename T>
T read_at(const std::vector<char>& image, size_t offset) {
  T value;
  std::memcpy(&value, image.data() + offset, sizeof(T));
  return value;
}

/// Throws for binaries that are cut off: the driver is not told where they end, and reads on.
void check_whole(const std::vector<char>& image) {
  constexpr uint32_t elf = 0x464c457f;
  constexpr uint32_t fat_binary = 0xba55ed50;
  constexpr size_t header_bytes = 64;
  const size_t size = image.size();
  const auto magic = size < 4 ? 0 : read_at<uint32_t>(image, 0);
  if (magic != elf && magic != fat_binary) return;
  const auto fits = [&](uint64_t start, uint64_t bytes) { return start <= size && bytes <= size - start; };
  bool is_whole = size >= header_bytes;
  if (is_whole && magic == elf) {  // the tables of segments and sections lie behind what they describe
    is_whole = fits(read_at<uint64_t>(image, 32), read_at<uint16_t>(image, 54) * read_at<uint16_t>(image, 56)) &&
               fits(read_at<uint64_t>(image, 40), read_at<uint16_t>(image, 58) * read_at<uint16_t>(image, 60));
  } else if (is_whole) {
    is_whole = fits(read_at<uint16_t>(image, 6), read_at<uint64_t>(image, 8));
  }
  if (!is_whole) throw DeviceError("ERR_DEVICE", "loading the module: expected a whole binary, received a part");
}

}  // namespace

#ifdef ATTENTION_CUDA_EMULATOR

Module::Module(const std::vector<char>& image) {
  check_whole(image);
  throw DeviceError("ERR_UNSUPPORTED", "expected a GPU: the emulator runs no PTX");
}
Module::~Module() = default;
void Module::launch(const LaunchContext&, const std::string&, const Grid&, std::vector<unsigned char>,
                    const std::vector<int64_t>&) {}

#else

Module::Module(const std::vector<char>& image) {
  check_whole(image);
  std::vector<char> terminated = image;  // PTX is text and ends with a zero
  terminated.push_back('\0');
  check(cudaLibraryLoadData(&library_, terminated.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        "loading the module");
  unsigned count = 0;
  const cudaError_t status = cudaLibraryGetKernelCount(&count, library_);  // loading alone does not look at the image
  if (status != cudaSuccess || count == 0) cudaLibraryUnload(library_);
  check(status, "loading the module");
  if (count == 0) throw DeviceError("ERR_DEVICE", "loading the module: expected kernels, found none");
}

Module::~Module() { cudaLibraryUnload(library_); }

const Module::Kernel& Module::find(const std::string& function) {
  const auto found = kernels_.find(function);
  if (found != kernels_.end()) return found->second;
  cudaKernel_t kernel = nullptr;
  const cudaError_t status = cudaLibraryGetKernel(&kernel, library_, function.c_str());
  if (status == cudaErrorSymbolNotFound) {
    cudaGetLastError();
    throw DeviceError("ERR_RANGE", "function: expected one of the module's, received " + function);
  }
  check(status, "cudaLibraryGetKernel");
  // What is launched reads as many parameters as the kernel has, whatever it is given.
  std::vector<size_t> parameter_bytes;
  for (size_t offset = 0, bytes = 0;; parameter_bytes.push_back(bytes)) {
    const cudaError_t end =
        cudaFuncGetParamInfo(reinterpret_cast<const void*>(kernel), parameter_bytes.size(), &offset, &bytes);
    if (end == cudaErrorInvalidValue) break;
    check(end, "cudaFuncGetParamInfo");
  }
  cudaGetLastError();
  return kernels_.emplace(function, Kernel{kernel, std::move(parameter_bytes)}).first->second;
}

void Module::launch(const LaunchContext& context, const std::string& function, const Grid& grid,
                    std::vector<unsigned char> parameters, const std::vector<int64_t>& offsets) {
  const Kernel& found = find(function);
  const auto* kernel = reinterpret_cast<const void*>(found.kernel);
  if (offsets.size() != found.parameter_bytes.size()) {
    throw DeviceError("ERR_RANGE", "args: expected " + std::to_string(found.parameter_bytes.size()) +
                                       " of them, received " + std::to_string(offsets.size()));
  }
  for (size_t i = 0; i < offsets.size(); i++) {
    if (found.parameter_bytes[i] <= most_parameter_bytes) continue;
    throw DeviceError("ERR_UNSUPPORTED", "args: expected a kernel whose parameters have at most 8 bytes, number " +
                                             std::to_string(i) + " has " + std::to_string(found.parameter_bytes[i]));
  }
  if (grid.shared_bytes > 48 * 1024) {  // every time: what was granted to an address is not, once the module is gone
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(grid.shared_bytes)),
          "cudaFuncSetAttribute");
  }
  std::vector<void*> addresses;
  for (const int64_t offset : offsets) addresses.push_back(parameters.data() + offset);
  const dim3 blocks = grid.blocks.checked();
  check(cudaLaunchKernel(kernel, blocks, grid.threads, addresses.data(), grid.shared_bytes, context.stream),
        "cudaLaunchKernel");
}

#endif

}  // namespace attention::cuda
