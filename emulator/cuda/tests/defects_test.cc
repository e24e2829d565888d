// What a GPU does not forgive.

#include "harness.h"
#include "common/ptx.cuh"
#include "common/shared_memory.cuh"

using namespace attention;

namespace {

__global__ void divergent_barrier() {
  if (threadIdx.x < 40) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void barrier_against_shuffle(int* out) {
  if (threadIdx.x == 3) {
    __syncthreads();
  } else {
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
  }
  __syncthreads();
}
__global__ void missing_lane(int* out) {
  if (threadIdx.x % 32 == 9) return;
  out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
__global__ void mask_without_caller(int* out) { out[threadIdx.x] = __ballot_sync(0xfffffffeu, 1); }
__global__ void named_barrier_that_hangs() {
  if (threadIdx.x < 32) named_barrier(1, 64);
}
__global__ void warp_function(int* out) { out[threadIdx.x] = __any_sync(0xffffffffu, 1); }
__global__ void copy_to(int to_offset, int from_offset, const char* from, bool waits, float* out) {
  char* shared = shared_memory<char>();
  copy_async(shared + to_offset, from + from_offset);
  copy_async_commit();
  if (waits) copy_async_wait<0>();
  *out = *reinterpret_cast<float*>(shared);
}
__global__ void copy_to_global(char* to, const char* from) { copy_async(to, from); }
__global__ void misaligned_row(const char*) {
  uint32_t fragments[4];
  load_matrices(fragments, shared_memory<char>() + threadIdx.x * 8);
}
__global__ void misaligned_load(const char* from, uint4* to) { *to = load_once(from + 4); }
__global__ void write_at(volatile char* memory, int64_t offset) { memory[offset] = 1; }
__global__ void write_shared(int offset) { const_cast<volatile char*>(shared_memory<char>())[offset] = 1; }
__global__ void misaligned_pair(float* memory) { *reinterpret_cast<uint64_t*>(memory + 1) = 1; }
__global__ void index_array(int index, float* out) {
  __shared__ float array[8];
  array[index] = 1.0f;
  *out = array[index / 2];
}
__global__ void divide(volatile int* values) { values[0] = values[0] / values[1]; }
__global__ void recurse(volatile int* depth) {
  volatile char frame[4096];
  frame[0] = 1;
  if (*depth > 0) recurse(depth);
  frame[1] = 1;
}
__global__ void returns_before_barrier(int* out) {
  if (threadIdx.x % 2) return;
  __syncthreads();
  if (threadIdx.x == 0) *out = 7;
}
__global__ void nothing() {}

void test_joins() {
  const Memory<int> out(64);
  const LaunchContext context = test_context();
  expect_error("diverged: other threads wait at __syncthreads (defects_test.cc:",
               [&] { launch(context, divergent_barrier, {.threads = 64}); });
  const auto mixed = [&] { launch(context, barrier_against_shuffle, {.threads = 32}, out.data); };
  expect_error("1 at __syncthreads (defects_test.cc:", mixed);
  expect_error("31 at __shfl_xor_sync (defects_test.cc:", mixed);
  expect_error("of the mask", [&] { launch(context, missing_lane, {.threads = 64}, out.data); });
  expect_error("the mask lacks the calling lane",
               [&] { launch(context, mask_without_caller, {.threads = 32}, out.data); });
  expect_error("32 at named_barrier", [&] { launch(context, named_barrier_that_hangs, {.threads = 64}); });
  expect_error("that the block does not have", [&] { launch(context, warp_function, {.threads = 40}, out.data); });
  expect_error("[block (0, 0, 0) of (1, 1, 1), thread (",
               [&] { launch(context, divergent_barrier, {.threads = 64}); });
  launch(context, returns_before_barrier, {.threads = 64}, out.data);
  expect(out[0] == 7, "threads that have returned are not waited for");
}

void test_shapes() {
  LaunchContext context = test_context();
  expect_error("1 to 1024 threads a block, received 1025 x 1 x 1",
               [&] { launch(context, nothing, {.threads = 1025}); });
  expect_error("received 0 x 1 x 1", [&] { launch(context, nothing, {.threads = 0}); });
  for (const attention::Blocks& blocks : {attention::Blocks(1, 65536), {1, 1, 65536}, {int64_t(1) << 31}, {-1},
                                          {(int64_t(1) << 32) + 1}, {1, (int64_t(1) << 32) + 1}}) {
    expect_error("grid: expected at most 2147483647 x 65535 x 65535 blocks, received ",
                 [&] { launch(context, nothing, {.blocks = blocks}); });
  }
  expect(error_of([&] { launch(context, nothing, {.blocks = {int64_t(1) << 40, 0}}); }).empty(), "a grid without blocks");
  expect_error("at most 232448 bytes of shared memory, received 232449",
               [&] { launch(context, nothing, {.shared_bytes = 232449}); });
  context.device.shared_bytes_per_block = 64 * 1024;
  expect_error("at most 65536", [&] { launch(context, nothing, {.shared_bytes = 65537}); });
  expect(error_of([&] { launch(context, nothing, {.threads = dim3(32, 32), .shared_bytes = 65536}); }).empty(),
         "a launch at the limits");
}

void test_addresses() {
  const LaunchContext context = test_context();
  const Memory<char> memory(4096);
  const Memory<float> out(4);
  for (int i = 0; i < 4096; i++) memory[i] = 0;
  const auto copy = [&](int to, int from, bool waits) {
    launch(context, copy_to, {.shared_bytes = 64}, to, from, memory.data, waits, out.data);
  };
  copy(0, 0, true);
  expect(out[0] == 0, "a copy that is waited for");
  copy(0, 0, false);
  expect(out[0] != out[0], "a copy that is not waited for is NaN");
  expect_error("copy_async (defects_test.cc:", [&] { copy(4, 0, true); });
  expect_error("multiple of 16, received 8 more", [&] { copy(0, 8, true); });
  expect_error("16 bytes of the block's shared memory", [&] { copy(64, 0, true); });
  expect_error("16 bytes of the block's shared memory",
               [&] { launch(context, copy_to_global, {}, memory.data, memory.data + 16); });
  expect_error("load_matrices", [&] { launch(context, misaligned_row, {.threads = 32, .shared_bytes = 512}, nullptr); });
  expect_error("load_once", [&] { launch(context, misaligned_load, {}, memory.data, nullptr); });
}

void test_faults() {
  const LaunchContext context = test_context();
  const Memory<int> values(8);
  values[0] = 5;
  values[1] = 0;
  expect_error("divided by zero", [&] { launch(context, divide, {}, values.data); });
  expect_error("an access is not aligned",
               [&] { launch(context, misaligned_pair, {}, reinterpret_cast<float*>(values.data)); });
  expect_error("an index is outside of its array",
               [&] { launch(context, index_array, {}, 9, reinterpret_cast<float*>(values.data)); });
  expect_error("the stack of a thread overflows", [&] { launch(context, recurse, {}, values.data); });
  expect_error("1 bytes past the end of 128 bytes of shared memory",
               [&] { launch(context, write_shared, {.shared_bytes = 128}, 129); });
  setenv("ATTENTION_CUDA_CHECKED", "1", 1);
  const Memory<char> checked(100), late(100);
  unsetenv("ATTENTION_CUDA_CHECKED");
  expect(error_of([&] { launch(context, write_at, {}, checked.data, 99); }).empty(), "an access within bounds");
  expect_error("12 bytes past the end of 100 bytes of device memory (defects_test.cc:",
               [&] { launch(context, write_at, {}, checked.data, 112); });
  expect_error("bytes before the start of 100 bytes", [&] { launch(context, write_at, {}, checked.data, -4000); });
  cudaFree(late.data);
  expect_error("an access", [&] { launch(context, write_at, {}, late.data, 0); });
  expect_error("to no device memory", [&] { launch(context, write_at, {}, nullptr, 4096); });
  expect(error_of([&] { launch(context, nothing, {}); }).empty(), "a launch after a fault");
}

}  // namespace

void test_defects() {
  test_joins();
  test_shapes();
  test_addresses();
  test_faults();
}
