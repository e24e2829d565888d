// Hopper's products, boxes and barriers: their results, and what they do not forgive.

#include <cmath>
#include <vector>

#include "harness.h"
#include "common/convert.cuh"
#include "common/hopper.cuh"
#include "common/shared_memory.cuh"
#include "common/wgmma.cuh"

using namespace attention;

namespace {

constexpr int rows = 64;

/// Writes a K-major matrix of 64 elements a row as a box would bring it.
template <typename T>
void write_swizzled(T* to, const T* from, int count, int pitch) {
  for (int i = threadIdx.x % 128; i < count * 64; i += 128) {
    const int row = i / 64;
    const int column = i % 64;
    to[row * 64 + ((column / 8) ^ (row % 8)) * 8 + column % 8] = from[row * pitch + column];
  }
}

template <typename T, int N>
__global__ void shared_kernel(const T* a, const T* b, float* d, bool add) {
  T* tile_a = shared_memory<T>();
  T* tile_b = tile_a + rows * 64;
  write_swizzled(tile_a, a, rows, 64);
  write_swizzled(tile_b, b, N, 64);
  fence_async_proxy();
  __syncthreads();
  float sums[N / 2];
  for (float& sum : sums) sum = 1.0f;
  begin_products();
  for (int step = 0; step < 4; step++) {
    multiply_shared<T, N>(sums, advance(matrix_descriptor(tile_a, 1024), step * 32),
                          advance(matrix_descriptor(tile_b, 1024), step * 32), add || step > 0);
  }
  commit_products();
  wait_for_products<0>(sums);
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < N / 2; i++) {
    const int row = threadIdx.x / 32 * 16 + lane / 4 + i / 2 % 2 * 8;
    d[row * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

template <typename T, int N>
void test_shared() {
  const Memory<T> a(rows * 64), b(N * 64);
  const Memory<float> d(rows * N);
  for (int i = 0; i < rows * 64; i++) a[i] = from_float<T>(float(i * 7 % 23) - 11);
  for (int i = 0; i < N * 64; i++) b[i] = from_float<T>(float(i * 5 % 19) / 4);
  for (const bool add : {false, true}) {
    launch(test_context(), shared_kernel<T, N>, {.threads = 128, .shared_bytes = (rows + N) * 128}, a.data, b.data,
           d.data, add);
    bool same = true;
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < N; column++) {
        float sum = add ? 1.0f : 0.0f;
        for (int k = 0; k < 64; k++) sum += to_float(a[row * 64 + k]) * to_float(b[column * 64 + k]);
        same &= d[row * N + column] == sum;
      }
    }
    expect(same, "products of shared matrices, " + std::to_string(N) + " columns");
  }
}

/// Keys of b after each other, N columns each, in groups of 64 columns.
template <typename T, int N>
__global__ void registers_kernel(const T* a, const T* b, float* d) {
  constexpr int keys = 32;
  T* tile = shared_memory<T>();
  constexpr int groups = (N + 63) / 64;
  for (int group = 0; group < groups; group++) {
    for (int i = threadIdx.x; i < keys * 64; i += 128) {
      const int key = i / 64;
      const int column = i % 64;
      if (group * 64 + column >= N) continue;
      tile[group * keys * 64 + key * 64 + ((column / 8) ^ (key % 8)) * 8 + column % 8] = b[key * N + group * 64 + column];
    }
  }
  fence_async_proxy();
  __syncthreads();
  const int lane = threadIdx.x % 32;
  uint32_t weights[2][4];
  for (int step = 0; step < 2; step++) {
    for (int i = 0; i < 4; i++) {
      const int row = threadIdx.x / 32 * 16 + lane / 4 + i % 2 * 8;
      const int k = step * 16 + lane % 4 * 2 + i / 2 * 8;
      weights[step][i] = pack_pair<T>(to_float(a[row * keys + k]), to_float(a[row * keys + k + 1]));
    }
  }
  float sums[N / 2];
  for (float& sum : sums) sum = 2.0f;
  begin_products();
  const uint64_t matrix = matrix_descriptor(tile, 1024, keys * 128);
  for (int step = 0; step < 2; step++) multiply_registers<T, N>(sums, weights[step], advance(matrix, step * 2048));
  commit_products();
  wait_for_products<0>(sums);
  for (int i = 0; i < N / 2; i++) {
    const int row = threadIdx.x / 32 * 16 + lane / 4 + i / 2 % 2 * 8;
    d[row * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

template <typename T, int N>
void test_registers() {
  const Memory<T> a(rows * 32), b(32 * N);
  const Memory<float> d(rows * N);
  for (int i = 0; i < rows * 32; i++) a[i] = from_float<T>(float(i * 7 % 23) - 11);
  for (int i = 0; i < 32 * N; i++) b[i] = from_float<T>(float(i * 5 % 19) / 4);
  launch(test_context(), registers_kernel<T, N>, {.threads = 128, .shared_bytes = 4 * 32 * 128}, a.data, b.data, d.data);
  bool same = true;
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < N; column++) {
      float sum = 2;
      for (int k = 0; k < 32; k++) sum += to_float(a[row * 32 + k]) * to_float(b[k * N + column]);
      same &= d[row * N + column] == sum;
    }
  }
  expect(same, "products of registers, " + std::to_string(N) + " columns");
}

/// Brings one box, and writes it out as it lies in shared memory.
__global__ void box_kernel(const __grid_constant__ TensorMap map, BoxStart start, int bytes, uint16_t* out) {
  struct Memory {
    alignas(1024) uint16_t box[64 * 64];
    uint64_t full;
  };
  Memory& memory = *shared_memory<Memory>();
  if (threadIdx.x == 0) {
    init_barrier(memory.full, 1);
    publish_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 32 && elect_lane()) {
    arrive_expecting(memory.full, uint32_t(bytes));
    copy_box(memory.box, map, memory.full, start);
  }
  wait_for_phase(memory.full, 0);
  for (int i = threadIdx.x; i < bytes / 2; i += blockDim.x) out[i] = memory.box[i];
}

void test_boxes() {
  // Blocks of 8 keys of 2 heads of 128, as the cache has them: [block][key][head][element].
  constexpr int blocks = 5, keys = 8, heads = 2, size = 128;
  const Memory<uint16_t> data(blocks * keys * heads * size), out(64 * 64);
  for (int i = 0; i < blocks * keys * heads * size; i++) data[i] = uint16_t(i);
  const auto expect_box = [&](const TensorView& view, const BoxStart& start, const std::string& what) {
    int count = 1;
    for (const int n : view.box) count *= n;
    launch(test_context(), box_kernel, {.threads = 64, .shared_bytes = 64 * 128 + 1024}, make_tensor_map(view), start,
           count * 2, out.data);
    bool same = true;
    for (int i = 0; i < count; i++) {
      int at[5], rest = i;
      bool is_inside = true;
      int64_t offset = 0;
      for (int dimension = 0; dimension < 5; dimension++) {
        at[dimension] = start.element[dimension] + rest % view.box[dimension];
        rest /= view.box[dimension];
        is_inside &= at[dimension] >= 0 && at[dimension] < view.size[dimension];
        offset += at[dimension] * (dimension ? view.stride_bytes[dimension] / 2 : 1);
      }
      const int row = i / 64;
      const int place = row * 64 + ((i % 64 / 8) ^ (row % 8)) * 8 + i % 8;
      same &= out[place] == (is_inside ? data[size_t(offset)] : 0);
    }
    expect(same, what);
  };
  const int64_t row = heads * size * 2;
  TensorView whole{data.data, ElementType::bfloat16, {64, 8, 2, blocks, heads}, {0, row, 128, 8 * row, size * 2},
                   {64, 8, 2, 1, 1}};
  expect_box(whole, {0, 0, 0, 3, 1}, "a box of whole keys");
  expect_box(whole, {0, 0, 0, -2048, 1}, "a box outside of the tensor");
  TensorView part{data.data, ElementType::float16, {size, blocks * keys, 1, 1, heads}, {0, row, row, row, size * 2},
                  {64, 16, 1, 1, 1}};
  expect_box(part, {64, 8, 0, 0, 1}, "a box of part of the keys");
  expect_box(part, {96, 33, 0, 0, 0}, "a box over two edges");
  expect_box(part, {-16, -4, 0, 0, 0}, "a box that begins before the tensor");
  part.stride_bytes[1] = 8;
  expect_error("cuTensorMapEncodeTiled: stride 1: expected a multiple of 16", [&] { make_tensor_map(part); });
  part.stride_bytes[1] = row;
  part.box[1] = 257;
  expect_error("box 1: expected 1 to 256, received 257", [&] { make_tensor_map(part); });
}

/// A warp brings boxes into two slots, a warpgroup multiplies them by the identity.
struct Pipeline {
  alignas(1024) uint16_t slots[2][64 * 64];
  alignas(1024) uint16_t identity[64 * 64];
  uint64_t full[2], empty[2];
};
enum class Defect { none, no_wait, no_release, no_fence, early_read, early_use, other_bytes, no_begin, early_overwrite, partial };

__global__ void pipeline_kernel(const __grid_constant__ TensorMap map, int tiles, float* out, float* early, Defect defect) {
  Pipeline& memory = *shared_memory<Pipeline>();
  if (threadIdx.x == 0) {
    for (int i = 0; i < 2; i++) {
      init_barrier(memory.full[i], 1);
      init_barrier(memory.empty[i], 4);
    }
    publish_barriers();
  }
  __syncthreads();
  const int warp = threadIdx.x / 32;
  if (warp >= 4) {
    release_registers<40>();
    if (warp > 4) return;
    for (int tile = 0; tile < tiles; tile++) {
      const int slot = tile % 2;
      if (defect != Defect::early_overwrite) wait_for_phase(memory.empty[slot], uint32_t(tile / 2 % 2 ^ 1));
      if (elect_lane()) {
        arrive_expecting(memory.full[slot], sizeof memory.slots[0] + (defect == Defect::other_bytes ? 16 : 0));
        copy_box(memory.slots[slot], map, memory.full[slot], {0, tile * 64, 0, 0, 0});
      }
    }
    return;
  }
  claim_registers<240>();
  for (int i = threadIdx.x; i < 64 * 64; i += 128) {
    memory.identity[i / 64 * 64 + ((i % 64 / 8) ^ (i / 64 % 8)) * 8 + i % 8] = i / 64 == i % 64 ? 0x3f80 : 0;
  }
  if (defect != Defect::no_fence) fence_async_proxy();
  named_barrier(1, 128);
  float sums[32] = {};
  for (int tile = 0; tile < tiles; tile++) {
    const int slot = tile % 2;
    if (defect != Defect::no_wait) wait_for_phase(memory.full[slot], uint32_t(tile / 2 % 2));
    if (defect != Defect::no_begin) begin_products();
    if (defect == Defect::partial && warp == 3) break;
    for (int step = 0; step < 4; step++) {
      multiply_shared<bfloat16, 64>(sums, advance(matrix_descriptor(memory.slots[slot], 1024), step * 32),
                                    advance(matrix_descriptor(memory.identity, 1024), step * 32), true);
    }
    commit_products();
    if (defect == Defect::early_use) early[threadIdx.x] = sums[5] * 2.0f + sums[threadIdx.x % 4];
    if (defect == Defect::early_read) early[threadIdx.x] = sums[5];
    wait_for_products<0>(sums);
    __syncwarp();
    if (defect != Defect::no_release && threadIdx.x % 32 == 0) arrive(memory.empty[slot]);
  }
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 32; i++) {
    out[(warp * 16 + lane / 4 + i / 2 % 2 * 8) * 64 + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

void test_pipeline() {
  constexpr int tiles = 5;
  const Memory<bfloat16> data(tiles * 64 * 64);
  const Memory<float> out(64 * 64), early(128);
  for (int i = 0; i < tiles * 64 * 64; i++) data[i] = from_float<bfloat16>(float(i * 7 % 61) - 30);
  const TensorMap map = make_tensor_map({data.data, ElementType::bfloat16, {64, tiles * 64, 1, 1, 1},
                                         {0, 128, 128, 128, 128}, {64, 64, 1, 1, 1}});
  const auto run = [&](Defect defect) {
    return error_of([&] {
      launch(test_context(), pipeline_kernel, {.threads = 256, .shared_bytes = sizeof(Pipeline)}, map, tiles, out.data,
             early.data, defect);
    });
  };
  const auto expect_defect = [&](Defect defect, const std::string& part) {
    const std::string error = run(defect);
    expect(error.find(part) != std::string::npos && error.find("hopper_test.cc:") != std::string::npos,
           "expected '" + part + "', received '" + error + "'");
  };
  const std::string error = run(Defect::none);
  bool same = error.empty();
  for (int i = 0; i < 64 * 64; i++) {
    float sum = 0;
    for (int tile = 0; tile < tiles; tile++) sum += to_float(data[tile * 64 * 64 + i]);
    same &= out[i] == sum;
  }
  expect(same, "a pipeline of boxes and products " + error);
  expect(run(Defect::early_read).empty() && early[0] != early[0], "sums are NaN until they are waited for");
  expect_defect(Defect::no_wait, "reads a box of copy_box (");
  expect_defect(Defect::no_release, "lacks 4 arrivals and 0 bytes");
  expect_defect(Defect::other_bytes, "lacks 0 arrivals and 16 bytes");
  expect_defect(Defect::no_begin, "expected begin_products before");
  expect_defect(Defect::early_overwrite, "arrives once more than the 1 times");
  expect_defect(Defect::partial, "96 at multiply_shared (");
  if (is_checked_build) {
    setenv("ATTENTION_CUDA_CHECKED", "1", 1);
    const std::string checked_error = run(Defect::none);
    expect(checked_error.empty(), "a pipeline that is checked: " + checked_error);
    expect_defect(Defect::no_fence, "without fence_async_proxy after it");
#if defined(__x86_64__)
    expect_defect(Defect::early_use, "a thread computes with a sum of a product before wait_for_products (hopper_test.cc:");
#endif
    unsetenv("ATTENTION_CUDA_CHECKED");
  }
}

struct Tiles {
  alignas(1024) uint16_t a[64 * 64];
  alignas(1024) uint16_t b[64 * 64];
  uint64_t full;
};

__global__ void overwritten_kernel(const __grid_constant__ TensorMap map, float* out) {
  Tiles& memory = *shared_memory<Tiles>();
  if (threadIdx.x == 0) {
    init_barrier(memory.full, 1);
    publish_barriers();
  }
  for (int i = threadIdx.x; i < 64 * 64; i += 128) memory.a[i] = memory.b[i] = 0;
  fence_async_proxy();
  __syncthreads();
  float sums[32] = {};
  begin_products();
  multiply_shared<bfloat16, 64>(sums, matrix_descriptor(memory.a, 1024), matrix_descriptor(memory.b, 1024), true);
  commit_products();
  if (threadIdx.x == 64) copy_box(memory.b, map, memory.full, {});
  wait_for_products<0>(sums);
  out[threadIdx.x] = sums[0];
}
__global__ void unread_sums_kernel(float* out, int pending) {
  Tiles& memory = *shared_memory<Tiles>();
  for (int i = threadIdx.x; i < 64 * 64; i += 128) memory.a[i] = memory.b[i] = 0;
  fence_async_proxy();
  __syncthreads();
  float first[32] = {}, second[32] = {};
  begin_products();
  multiply_shared<bfloat16, 64>(first, matrix_descriptor(memory.a, 1024), matrix_descriptor(memory.b, 1024), true);
  commit_products();
  multiply_shared<bfloat16, 64>(second, matrix_descriptor(memory.a, 1024), matrix_descriptor(memory.b, 1024), true);
  commit_products();
  wait_for_products<1>(first);
  out[threadIdx.x] = first[0];
  out[128 + threadIdx.x] = pending ? second[0] : 0.0f;
  wait_for_products<0>(second);
  out[256 + threadIdx.x] = second[0];
}
__global__ void changed_weights_kernel(float*) {
  Tiles& memory = *shared_memory<Tiles>();
  for (int i = threadIdx.x; i < 64 * 64; i += 128) memory.b[i] = 0;
  fence_async_proxy();
  __syncthreads();
  float sums[32] = {};
  uint32_t weights[4] = {};
  begin_products();
  multiply_registers<bfloat16, 64>(sums, weights, matrix_descriptor(memory.b, 1024));
  commit_products();
  weights[2] = threadIdx.x;
  wait_for_products<0>(sums);
}
__global__ void different_matrices_kernel(float*) {
  Tiles& memory = *shared_memory<Tiles>();
  for (int i = threadIdx.x; i < 64 * 64; i += 128) memory.a[i] = memory.b[i] = 0;
  fence_async_proxy();
  __syncthreads();
  float sums[32] = {};
  begin_products();
  multiply_shared<bfloat16, 64>(sums, matrix_descriptor(threadIdx.x == 77 ? memory.b : memory.a, 1024),
                                matrix_descriptor(memory.b, 1024), true);
  commit_products();
  wait_for_products<0>(sums);
}
__global__ void unpublished_kernel(const __grid_constant__ TensorMap map, bool prepared) {
  Tiles& memory = *shared_memory<Tiles>();
  if (prepared) init_barrier(memory.full, 1);
  arrive_expecting(memory.full, 8192);
  copy_box(memory.a, map, memory.full, {});
}
__global__ void unawaited_kernel(const __grid_constant__ TensorMap map, int offset) {
  Tiles& memory = *shared_memory<Tiles>();
  init_barrier(memory.full, 1);
  publish_barriers();
  arrive_expecting(memory.full, 8192);
  copy_box(memory.a + offset, map, memory.full, {});
}
__global__ void arrive_twice_kernel() {
  Tiles& memory = *shared_memory<Tiles>();
  init_barrier(memory.full, 1);
  publish_barriers();
  arrive_expecting(memory.full, 16);
  arrive(memory.full);
}
__global__ void turns_kernel(int* out) {
  __shared__ int slot;
  const int warp = threadIdx.x / 32;
  for (int i = 0; i < 4; i++) {
    if (warp == 0) {
      if (threadIdx.x == 0) slot = i;
      named_barrier_arrive(1, 64);
      named_barrier(2, 64);
    } else {
      named_barrier(1, 64);
      if (threadIdx.x == 40) *out += slot;
      named_barrier_arrive(2, 64);
    }
  }
}

void test_async_defects() {
  const LaunchContext context = test_context();
  const Memory<bfloat16> data(64 * 64);
  const Memory<float> out(1024);
  const Memory<int> sum(1);
  for (int i = 0; i < 64 * 64; i++) data[i] = from_float<bfloat16>(1.0f);
  const TensorMap map = make_tensor_map(
      {data.data, ElementType::bfloat16, {64, 64, 1, 1, 1}, {0, 128, 128, 128, 128}, {64, 64, 1, 1, 1}});
  const Grid grid{.threads = 128, .shared_bytes = sizeof(Tiles)};
  const Grid one{.threads = 1, .shared_bytes = sizeof(Tiles)};
  expect_error("overwrites what multiply_shared (hopper_test.cc:",
               [&] { launch(context, overwritten_kernel, grid, map, out.data); });
  launch(context, unread_sums_kernel, grid, out.data, 1);
  expect(out[0] == 0 && std::isnan(out[128]) && out[256] == 0, "sums are NaN until they are waited for");
  expect_error("a thread overwrote the registers of a of multiply_registers (hopper_test.cc:",
               [&] { launch(context, changed_weights_kernel, grid, out.data); });
  expect_error("name different matrices", [&] { launch(context, different_matrices_kernel, grid, out.data); });
  expect_error("not told to the copy engine by publish_barriers",
               [&] { launch(context, unpublished_kernel, one, map, true); });
  expect_error("was not prepared by init_barrier", [&] { launch(context, unpublished_kernel, one, map, false); });
  expect_error("the block ends before anybody waits for the box", [&] { launch(context, unawaited_kernel, one, map, 0); });
  expect_error("a multiple of 1024 bytes", [&] { launch(context, unawaited_kernel, one, map, 64); });
  expect_error("expected a map of make_tensor_map", [&] { launch(context, unawaited_kernel, one, TensorMap{}, 0); });
  expect_error("arrives once more than the 1 times", [&] { launch(context, arrive_twice_kernel, one); });
  sum[0] = 0;
  launch(context, turns_kernel, {.threads = 64}, sum.data);
  expect(sum[0] == 6, "threads that arrive without waiting");
}

}  // namespace

void test_hopper() {
  test_shared<float16, 64>();
  test_shared<bfloat16, 64>();
  test_shared<bfloat16, 80>();
  test_shared<float16, 192>();
  test_shared<bfloat16, 256>();
  test_registers<float16, 64>();
  test_registers<bfloat16, 96>();
  test_registers<bfloat16, 256>();
  test_boxes();
  test_pipeline();
  test_async_defects();
}
