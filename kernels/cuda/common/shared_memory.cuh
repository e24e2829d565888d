#pragma once

namespace attention {

/// The block's dynamic shared memory, aligned to 1,024 bytes. The launch sets its size.
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
