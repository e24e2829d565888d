// Races between threads of a block: found in a checked build, with the lines of both accesses; what is ordered is not
// accused.

#include "harness.h"
#include "common/ptx.cuh"
#include "common/shared_memory.cuh"

using namespace attention;

namespace {

constexpr int threads = 64;

__global__ void shared_race(int* out) {
  __shared__ int values[threads];
  values[threadIdx.x] = int(threadIdx.x);
  out[threadIdx.x] = values[threads - 1 - threadIdx.x];
}
__global__ void dynamic_shared_race(int* out) {
  int* values = shared_memory<int>();
  values[threadIdx.x] = int(threadIdx.x);
  out[threadIdx.x] = values[threads - 1 - threadIdx.x];
}
__global__ void race_within_warp(int* out) {
  __shared__ int values[threads];
  values[threadIdx.x] = int(threadIdx.x);
  out[threadIdx.x] = values[threadIdx.x ^ 1];
}
/// A shuffle moves values, and orders no memory.
__global__ void race_around_shuffle(int* out) {
  __shared__ int values[threads];
  values[threadIdx.x] = int(threadIdx.x);
  const int other = __shfl_xor_sync(0xffffffffu, int(threadIdx.x), 1);
  out[threadIdx.x] = values[threadIdx.x ^ 1] + other;
}
__global__ void write_after_read(int* out) {
  __shared__ int values[threads];
  values[threadIdx.x] = int(threadIdx.x);
  __syncthreads();
  const int other = values[(threadIdx.x + 32) % threads];
  values[threadIdx.x] = other;
  out[threadIdx.x] = other;
}
__global__ void global_race(int* out) {
  out[threadIdx.x] = 1;
  out[threadIdx.x] += out[(threadIdx.x + 32) % threads];
}
__global__ void same_value(int* out) { out[0] = 7; }
__global__ void struct_race(int4* out) {
  struct Eight {
    int4 values[2];
  };
  auto* eights = reinterpret_cast<Eight*>(out);

  eights[(threadIdx.x + 1) % threads] = eights[threadIdx.x];
}
__global__ void atomic_against_plain(int* out) {
  if (threadIdx.x < 32) atomicAdd(out, 1);
  if (threadIdx.x == 40) out[0] = 0;
}
__global__ void copy_before_barrier(const int* from, int* out) {
  int* values = shared_memory<int>();
  copy_async(values + threadIdx.x * 4, from + threadIdx.x * 4);
  copy_async_commit();
  copy_async_wait<0>();
  out[threadIdx.x] = values[(threadIdx.x + 1) % threads * 4];
}
__global__ void barrier_of_half(int* out) {
  __shared__ int values[threads];
  values[threadIdx.x] = int(threadIdx.x);
  if (threadIdx.x < 32) named_barrier(1, 32);
  out[threadIdx.x] = values[(threadIdx.x + 32) % threads];
}
/// The slot is written again while the reader may still read.
__global__ void pipeline_without_release(int* out) {
  __shared__ int slot;
  for (int i = 0; i < 3; i++) {
    if (threadIdx.x == 0) slot = i;
    named_barrier(1, 64);
    if (threadIdx.x >= 32) out[threadIdx.x] = slot;
  }
}

/// None of these is a race.
__global__ void sound(const int* from, int* out, unsigned short* halves, unsigned* count) {
  __shared__ int values[threads];
  __shared__ int slot;
  __shared__ unsigned arrived;
  if (threadIdx.x == 0) arrived = 0;
  values[threadIdx.x] = int(threadIdx.x);
  __syncwarp();
  int sum = values[threadIdx.x ^ 1];
  __syncthreads();
  sum += values[threads - 1 - threadIdx.x];
  atomicAdd(&arrived, 1u);
  atomicAdd(count, 1u);
  halves[threadIdx.x] = (unsigned short)threadIdx.x;  // beside each other in a word
  __syncthreads();
  values[threadIdx.x] = halves[threads - 1 - threadIdx.x] + int(arrived);
  for (int i = 0; i < 3; i++) {
    if (threadIdx.x < 32) {
      if (threadIdx.x == 0) slot = i;
      named_barrier(1, 64);  // filled
      named_barrier(2, 64);  // read
    } else {
      named_barrier(1, 64);
      sum += slot;
      named_barrier(2, 64);
    }
  }
  int* copied = shared_memory<int>();
  copy_async(copied + threadIdx.x * 4, from + threadIdx.x * 4);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  out[threadIdx.x] = sum + values[threadIdx.x] + copied[(threadIdx.x + 1) % threads * 4];
}
/// Blocks have their own shared memory, and what they do to each other's is not looked for.
__global__ void blocks_alike(int* out) {
  __shared__ int value;
  if (threadIdx.x == blockIdx.x) value = int(blockIdx.x);
  __syncthreads();
  if (threadIdx.x == 40) out[0] = value;
}

}  // namespace

void test_races() {
  const LaunchContext context = test_context();
  setenv("ATTENTION_CUDA_CHECKED", "1", 1);
  const Memory<int> out(1024), from(1024);
  const Memory<unsigned short> halves(threads);
  const Memory<unsigned> count(1);
  for (int i = 0; i < 1024; i++) from[i] = i;
  const Grid grid{.threads = threads, .shared_bytes = 4096};
  // Which access comes second depends on the order of threads.
  const auto expect_race = [&](const std::string& memory, const std::string& line, const std::string& other, auto&& run) {
    const std::string error = error_of(run);
    const auto has = [&](const std::string& second, const std::string& first) {
      return error.find(" of " + memory + " (races_test.cc:" + second + ") that thread (") != std::string::npos &&
             error.find("(races_test.cc:" + first + ") with no barrier between [block (0, 0, 0)") != std::string::npos;
    };
    expect(error.find("emulator: race: a thread ") == 0 && (has(line, other) || has(other, line)),
           "expected a race of lines " + line + " and " + other + ", received '" + error + "'");
  };
  const auto expect_race_of = [&](void (*kernel)(int*), const std::string& memory, const std::string& line,
                                  const std::string& other) {
    expect_race(memory, line, other, [&] { launch(context, kernel, grid, out.data); });
  };
  if (is_checked_build) {
    expect_race_of(shared_race, "shared memory", "17", "16");
    expect_race_of(dynamic_shared_race, "shared memory", "22", "21");
    expect_race_of(race_within_warp, "shared memory", "27", "26");
    expect_race_of(race_around_shuffle, "shared memory", "34", "32");
    expect_race_of(write_after_read, "shared memory", "40", "41");
    expect_race_of(global_race, "device memory", "46", "45");
    expect_race_of(same_value, "device memory", "48", "48");
    expect_race("device memory", "55", "55", [&] { launch(context, struct_race, grid, reinterpret_cast<int4*>(out.data)); });
    expect_race_of(atomic_against_plain, "device memory", "59", "58");
    expect_race("shared memory", "66", "63", [&] { launch(context, copy_before_barrier, grid, from.data, out.data); });
    expect_race_of(barrier_of_half, "shared memory", "72", "70");
    expect_race_of(pipeline_without_release, "shared memory", "78", "80");
  }
  count[0] = 0;
  const std::string error =
      error_of([&] { launch(context, sound, grid, from.data, out.data, halves.data, count.data); });
  expect(error.empty(), "a kernel without races: " + error);
  // values[i ^ 1] + values[63 - i] + halves[63 - i] + 64 + copied, and 0 + 1 + 2 for the second warp.
  expect(out[0] == 1 + 63 + 63 + 64 + 4 && out[63] == 62 + 0 + 0 + 64 + 0 + 3 && count[0] == 64, "its results");
  expect(error_of([&] { launch(context, blocks_alike, {.blocks = 8, .threads = threads}, out.data); }).empty(),
         "blocks that do the same");
  unsetenv("ATTENTION_CUDA_CHECKED");
}
