#include "common/architecture.h"

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

std::string built_architectures() { return ATTENTION_CUDA_ARCHITECTURES; }

}  // namespace attention
