#pragma once
// Kernels that come as PTX or cubin, of authors' own ops.

#include <cuda_runtime.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "common/launch.h"

namespace attention::cuda {

class Module {
 public:
  /// Compiles PTX, or takes a cubin. Throws ERR_DEVICE with what the compiler says.
  explicit Module(const std::vector<char>& image);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  static constexpr size_t most_parameter_bytes = 8;

  /// `parameters`: the kernel's parameters one after another, each in 8 bytes at its `offsets`.
  void launch(const LaunchContext& context, const std::string& function, const Grid& grid,
              std::vector<unsigned char> parameters, const std::vector<int64_t>& offsets);

 private:
  struct Kernel {
    cudaKernel_t kernel;
    std::vector<size_t> parameter_bytes;
  };

  const Kernel& find(const std::string& function);

  cudaLibrary_t library_ = nullptr;
  std::unordered_map<std::string, Kernel> kernels_;
};

}  // namespace attention::cuda
