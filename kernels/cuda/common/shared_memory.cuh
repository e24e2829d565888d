#pragma once

namespace attention {

/// The dynamic shared memory of the block, aligned to 1,024 bytes; its size is the launch's.
template <typename T>
__device__ __forceinline__ T* shared_memory() {
#ifdef ATTENTION_CUDA_EMULATOR
  return static_cast<T*>(emulated_shared_memory());
#else
  extern __shared__ __align__(1024) unsigned char memory[];
  return reinterpret_cast<T*>(memory);
#endif
}

}  // namespace attention
