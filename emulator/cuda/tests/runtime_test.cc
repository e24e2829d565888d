// Memory, its limit and its pools; devices.

#include <cmath>
#include <cstring>
#include <thread>

#include "harness.h"

namespace {

__global__ void write_kernel(int* to) { *to = 1; }

/// What a GPU refuses where the current device is another than that of a stream, an event or memory.
void test_devices() {
  int count;
  int device;
  expect(cudaGetDeviceCount(&count) == cudaSuccess && count == 2, "two devices");
  expect(cudaSetDevice(2) == cudaErrorInvalidDevice && cudaSetDevice(-1) == cudaErrorInvalidDevice, "no third one");
  expect(cudaSetDevice(1) == cudaSuccess && cudaGetDevice(&device) == cudaSuccess && device == 1, "the current one");
  std::thread([&] { cudaGetDevice(&device); }).join();
  expect(device == 0, "the current one of a thread");

  size_t before[2], after[2], total;
  for (int i : {0, 1}) {
    cudaSetDevice(i);
    cudaMemGetInfo(&before[i], &total);
  }
  attention::LaunchContext context = test_context();
  cudaStreamCreate(&context.stream);
  cudaEvent_t start, end;
  cudaEventCreate(&start);
  Memory<int> memory(1);
  for (int i : {0, 1}) {
    cudaSetDevice(i);
    cudaMemGetInfo(&after[i], &total);
  }
  expect(after[0] == before[0] && after[1] + sizeof(int) == before[1], "memory of the current device");

  const auto write = [&] { attention::launch(context, write_kernel, {}, memory.data); };
  expect(error_of(write).empty() && memory[0] == 1, "a launch on a stream of the current device");
  expect(cudaEventRecord(start, context.stream) == cudaSuccess, "an event of it");
  cudaSetDevice(0);
  expect_error("cudaLaunchKernelEx: cudaErrorInvalidResourceHandle", write);
  expect(cudaMemsetAsync(memory.data, 0, 4, context.stream) == cudaErrorInvalidResourceHandle, "a fill on its stream");
  expect(cudaMemset(memory.data, 0, 4) == cudaErrorInvalidValue, "a fill of its memory");
  expect(cudaEventRecord(start) == cudaErrorInvalidResourceHandle, "its event on a stream of another");
  cudaEventCreate(&end);
  expect(cudaEventRecord(end, context.stream) == cudaErrorInvalidResourceHandle, "an event of another on its stream");
  cudaEventRecord(end);
  float milliseconds;
  expect(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorInvalidResourceHandle, "the time between them");
  expect(cudaMemcpyAsync(&device, memory.data, 4, cudaMemcpyDeviceToHost, context.stream) == cudaSuccess && device == 1,
         "a copy on its stream");
  cudaGetLastError();

  cudaMemPoolProps properties{};
  properties.location.id = 1;
  cudaMemPool_t pool;
  void* of_pool;
  expect(cudaMemPoolCreate(&pool, &properties) == cudaSuccess, "a pool of another device");
  cudaMallocFromPoolAsync(&of_pool, 400, pool, context.stream);
  cudaMemGetInfo(&after[0], &total);
  expect(after[0] == before[0], "memory of a pool is of the pool's device");
  cudaFreeAsync(of_pool, context.stream);
  cudaMemPoolDestroy(pool);
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  cudaStreamDestroy(context.stream);
}

void test_architecture() {
  int major, minor;
  const auto expect_capability = [&](int expected_major, int expected_minor) {
    cudaDeviceProp properties;
    cudaGetDeviceProperties(&properties, 0);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
    expect(major == expected_major && minor == expected_minor, "the architecture");
    expect(properties.major == major && properties.minor == minor, "the architecture among the properties");
  };
  expect_capability(9, 0);
  setenv("ATTENTION_CUDA_EMULATOR_ARCHITECTURE", "80", 1);
  expect_capability(8, 0);
  setenv("ATTENTION_CUDA_EMULATOR_ARCHITECTURE", "75", 1);
  expect_capability(7, 5);
  unsetenv("ATTENTION_CUDA_EMULATOR_ARCHITECTURE");
}

}  // namespace

void test_runtime() {
  test_devices();
  test_architecture();
  float* memory;
  cudaMalloc(&memory, 400);
  expect(std::isnan(memory[0]) && std::isnan(memory[99]), "new memory is NaN");
  float host[100] = {};
  expect(cudaMemcpy(memory, host, 400, cudaMemcpyHostToDevice) == cudaSuccess && memory[99] == 0, "a copy");
  expect(cudaMemcpy(memory, host, 404, cudaMemcpyHostToDevice) == cudaErrorInvalidValue, "a copy past the end");
  expect(cudaMemcpy(host, host, 4, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue, "a copy from no device memory");
  expect(cudaMemset(memory, 0, 404) == cudaErrorInvalidValue, "a fill past the end");
  expect(cudaGetLastError() == cudaErrorInvalidValue && cudaGetLastError() == cudaSuccess, "the last error");
  expect(cudaFree(memory) == cudaSuccess && cudaFree(memory) == cudaErrorInvalidValue, "free once");

  cudaMemPoolProps properties{};
  cudaMemPool_t pool;
  cudaMemPoolCreate(&pool, &properties);
  setenv("ATTENTION_CUDA_EMULATOR_MEMORY", "1000000", 1);
  void *first, *second;
  expect(cudaMallocFromPoolAsync(&first, 600000, pool, nullptr) == cudaSuccess, "memory within the limit");
  expect(cudaMallocFromPoolAsync(&second, 600000, pool, nullptr) == cudaErrorMemoryAllocation && !second,
         "memory past the limit");
  size_t free_bytes, total_bytes;
  cudaMemGetInfo(&free_bytes, &total_bytes);
  expect(free_bytes == 400000 && total_bytes == 1000000, "free and total");
  cudaFreeAsync(first, nullptr);
  uint64_t used, high, reserved;
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used);
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &high);
  cudaMemPoolTrimTo(pool, 0);
  cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved);
  expect(used == 0 && high == 600000 && reserved == 0, "statistics of a pool");
  unsetenv("ATTENTION_CUDA_EMULATOR_MEMORY");

  constexpr size_t large = size_t(100) << 20;
  unsigned char* bytes;
  cudaMalloc(&bytes, large);
  bytes[5] = bytes[large - 5] = 1;
  cudaMemset(bytes + 3, 0, large - 6);
  expect(bytes[5] == 0 && bytes[large - 5] == 0 && bytes[large / 2] == 0, "a large fill with zeros");
  cudaFree(bytes);
  cudaMemPoolDestroy(pool);

  cudaEvent_t start, end;
  cudaEventCreate(&start);
  cudaEventCreate(&end);
  float milliseconds;
  expect(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorInvalidResourceHandle, "events not recorded");
  cudaEventRecord(start);
  cudaEventRecord(end);
  expect(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess && milliseconds >= 0, "events");
  cudaEventDestroy(start);
  cudaEventDestroy(end);
}
