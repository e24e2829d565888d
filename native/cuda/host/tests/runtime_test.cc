// Memory, its limit and its pools.

#include <cmath>
#include <cstring>

#include "harness.h"

void test_runtime() {
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
  setenv("ATTENTION_CUDA_HOST_MEMORY", "1000000", 1);
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
  unsetenv("ATTENTION_CUDA_HOST_MEMORY");

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
