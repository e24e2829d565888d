#include "common/architecture.h"

#include <string_view>

#include "common/launch.h"

namespace attention {
namespace {

__global__ void architecture_kernel() {}

}  // namespace

bool has_code_for_device() {
  cudaFuncAttributes attributes{};
  const cudaError_t status =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(architecture_kernel));
  cudaGetLastError();
  return status == cudaSuccess;
}

bool has_hopper_code() {
#ifdef ATTENTION_CUDA_EMULATOR
  return true;
#else
  return std::string_view(ATTENTION_CUDA_ARCHITECTURES).find("90a") != std::string_view::npos;
#endif
}

std::string built_architectures() { return ATTENTION_CUDA_ARCHITECTURES; }

}  // namespace attention
