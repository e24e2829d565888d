#pragma once
// What the files that stand for the CUDA runtime share.

#include <cstddef>

#include <cuda_runtime_api.h>

namespace attention::emulator {

constexpr int device_count = 2;
constexpr bool is_device(int device) { return device >= 0 && device < device_count; }
/// That of the calling thread.
int current_device();
int device_of(cudaStream_t stream);
/// Of a launch: cudaErrorInvalidResourceHandle for a stream of another device than the current one.
cudaError_t launch_status(cudaStream_t stream);
/// Keeps an error for cudaGetLastError.
cudaError_t report(cudaError_t error);
/// Whether memory of one allocation, of the device or pinned.
bool is_allocated(const void* address, size_t bytes);
/// Whether the current device reaches it: its own, or pinned.
bool is_reachable(const void* address, size_t bytes);
/// Bytes that a device has.
size_t memory_limit();
void fill(void* memory, int value, size_t bytes);

}  // namespace attention::emulator
