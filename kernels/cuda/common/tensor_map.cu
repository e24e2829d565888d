#include "common/tensor_map.h"

#ifndef ATTENTION_CUDA_EMULATOR

#include <cuda.h>

#include <cstring>

#include "common/launch.h"

namespace attention {
namespace {

/// The driver's function, obtained through the runtime: the addon must load on machines without a driver.
auto encode_tiled() {
  static const auto function = [] {
    void* address = nullptr;
    cudaDriverEntryPointQueryResult found{};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &address, 12000, cudaEnableDefault, &found),
          "cudaGetDriverEntryPointByVersion");
    if (found != cudaDriverEntryPointSuccess || !address) {
      throw DeviceError("ERR_DEVICE", "the driver has no cuTensorMapEncodeTiled");
    }
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(address);
  }();
  return function;
}

}  // namespace

TensorMap make_tensor_map(const TensorView& view) {
  cuuint64_t size[tensor_map_rank];
  cuuint64_t strides[tensor_map_rank];
  cuuint32_t box[tensor_map_rank];
  cuuint32_t steps[tensor_map_rank];
  for (int i = 0; i < tensor_map_rank; i++) {
    size[i] = cuuint64_t(view.size[i]);
    strides[i] = cuuint64_t(view.stride_bytes[i]);
    box[i] = cuuint32_t(view.box[i]);
    steps[i] = 1;
  }
  CUtensorMap map{};
  const CUresult status = encode_tiled()(
      &map, view.type == ElementType::float16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
      tensor_map_rank, const_cast<void*>(view.data), size, strides + 1, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    throw DeviceError("ERR_DEVICE", "cuTensorMapEncodeTiled: error " + std::to_string(int(status)));
  }
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) <= alignof(CUtensorMap));
  TensorMap result;
  std::memcpy(&result, &map, sizeof result);
  return result;
}

}  // namespace attention

#endif
