#pragma once
// What the files that stand for the CUDA runtime share.

#include <cstddef>

#include <cuda_runtime_api.h>

namespace attention::host {

/// Keeps an error for cudaGetLastError.
cudaError_t report(cudaError_t error);
/// Whether memory of one allocation, of the device or pinned.
bool is_allocated(const void* address, size_t bytes);
void fill(void* memory, int value, size_t bytes);

}  // namespace attention::host
