// The kernel of softcap.cuda.ts. Compiled to PTX, which the driver compiles for any GPU from compute capability 7.5 on:
//   nvcc -ptx -arch=compute_75 softcap.cu
#include <cuda_bf16.h>
#include <cuda_fp16.h>

template <typename T>
__device__ void softcap(const T* x, T* output, unsigned size, float cap) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < size) output[i] = T(cap * tanhf(float(x[i]) / cap));
}

#define define_softcap(storage, type)                                                                             \
  extern "C" __global__ void softcap_##storage(const type* x, type* output, unsigned size, float cap) {           \
    softcap(x, output, size, cap);                                                                                \
  }

define_softcap(float32, float)
define_softcap(float16, __half)
define_softcap(bfloat16, __nv_bfloat16)
