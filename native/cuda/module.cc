#include "module.h"

namespace attention::cuda {

#ifdef ATTENTION_CUDA_HOST_DEVICE

Module::Module(const std::vector<char>&) {
  throw DeviceError("ERR_UNSUPPORTED", "expected a GPU: the host device runs no PTX");
}
Module::~Module() = default;
void Module::launch(const LaunchContext&, const std::string&, const Grid&, std::vector<unsigned char>,
                    const std::vector<int64_t>&) {}

#else

Module::Module(const std::vector<char>& image) {
  std::vector<char> terminated = image;  // PTX is text and ends with a zero
  terminated.push_back('\0');
  check(cudaLibraryLoadData(&library_, terminated.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        "loading the module");
}

Module::~Module() { cudaLibraryUnload(library_); }

cudaKernel_t Module::find(const std::string& function) {
  const auto found = kernels_.find(function);
  if (found != kernels_.end()) return found->second;
  cudaKernel_t kernel = nullptr;
  const cudaError_t status = cudaLibraryGetKernel(&kernel, library_, function.c_str());
  if (status != cudaSuccess) {
    cudaGetLastError();
    throw DeviceError("ERR_RANGE", "function: expected one of the module's, received " + function);
  }
  kernels_.emplace(function, kernel);
  return kernel;
}

void Module::launch(const LaunchContext& context, const std::string& function, const Grid& grid,
                    std::vector<unsigned char> parameters, const std::vector<int64_t>& offsets) {
  const auto* kernel = reinterpret_cast<const void*>(find(function));
  if (grid.shared_bytes > 48 * 1024) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(grid.shared_bytes)),
          "cudaFuncSetAttribute");
  }
  std::vector<void*> addresses;
  for (const int64_t offset : offsets) addresses.push_back(parameters.data() + offset);
  check(cudaLaunchKernel(kernel, grid.blocks, grid.threads, addresses.data(), grid.shared_bytes, context.stream),
        "cudaLaunchKernel");
}

#endif

}  // namespace attention::cuda
