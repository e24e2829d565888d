// What kernels compute.

#include <cmath>
#include <cstring>
#include <vector>

#include "common/block_reduce.cuh"
#include "common/convert.cuh"
#include "harness.h"
#include "common/ptx.cuh"
#include "common/shared_memory.cuh"

using namespace attention;

namespace {

__global__ void exchange_kernel(int* out) {
  const int lane = threadIdx.x % 32;
  const int value = 100 + lane;
  int* mine = out + threadIdx.x * 12;
  mine[0] = __shfl_sync(all_lanes, value, 5);
  mine[1] = __shfl_up_sync(all_lanes, value, 3);
  mine[2] = __shfl_down_sync(all_lanes, value, 3);
  mine[3] = __shfl_xor_sync(all_lanes, value, 9);
  mine[4] = __shfl_sync(all_lanes, value, lane + 1, 8);
  mine[5] = __shfl_down_sync(all_lanes, value, 3, 16);
  mine[6] = int(__ballot_sync(all_lanes, lane % 3 == 0));
  mine[7] = __any_sync(all_lanes, lane == 7) + 2 * __all_sync(all_lanes, lane < 32) + 4 * __all_sync(all_lanes, lane);
  mine[8] = __reduce_max_sync(all_lanes, -lane);
  mine[9] = int(__match_any_sync(all_lanes, lane % 4));
  // Halves of a warp that go ways of their own.
  mine[10] = lane < 16 ? __shfl_xor_sync(0xffffu, value, 1) : __shfl_xor_sync(0xffff0000u, value, 2);
  mine[11] = __syncthreads_count(threadIdx.x < 40);
}

void test_exchanges() {
  const Memory<int> out(64 * 12);
  launch(test_context(), exchange_kernel, {.threads = 64}, out.data);
  for (int thread = 0; thread < 64; thread++) {
    const int lane = thread % 32;
    const int expected[12] = {105,
                              lane < 3 ? 100 + lane : 97 + lane,
                              lane > 28 ? 100 + lane : 103 + lane,
                              100 + (lane ^ 9),
                              100 + lane / 8 * 8 + (lane + 1) % 8,
                              lane % 16 > 12 ? 100 + lane : 103 + lane,
                              0x49249249,
                              3,
                              0,
                              0x11111111 << lane % 4,
                              100 + (lane < 16 ? lane ^ 1 : lane ^ 2),
                              40};
    for (int i = 0; i < 12; i++) {
      expect(out[thread * 12 + i] == expected[i], "exchange " + std::to_string(i) + " of " + std::to_string(thread));
    }
  }
}

__global__ void sum_kernel(const float* values, float* sums, unsigned* blocks) {
  __shared__ float partial[32];
  __shared__ float last;
  const float before = last;
  const float sum = block_sum(values[threadIdx.x], partial);
  if (threadIdx.x == 0) {
    last = sum;
    sums[blockIdx.x] = std::isnan(before) && std::isnan(*shared_memory<float>()) ? sum : 0.0f;
    *shared_memory<float>() = 1.0f;
    atomicAdd(blocks, 1u);
  }
}

void test_blocks() {
  const Memory<float> values(256), sums(3);
  const Memory<unsigned> blocks(1);
  blocks[0] = 0;
  for (int i = 0; i < 256; i++) values[i] = float(i);
  launch(test_context(), sum_kernel, {.blocks = 3, .threads = 256, .shared_bytes = 4}, values.data, sums.data,
         blocks.data);
  for (int i = 0; i < 3; i++) expect(sums[i] == 255 * 128, "the sum of a block with fresh shared memory");
  expect(blocks[0] == 3, "an atomic counts blocks");
}

template <typename T>
__global__ void multiply_kernel(const T* a, const T* b, float* d, bool transposed) {
  T* tile_a = shared_memory<T>();
  T* tile_b = tile_a + 16 * 16;
  const int lane = threadIdx.x;
  copy_async(tile_a + lane * 8, a + lane * 8);
  copy_async_commit();
  if (lane < 16) copy_async(tile_b + lane * 8, b + lane * 8);
  copy_async_commit();
  copy_async_wait<1>();
  const bool is_there = !std::isnan(to_float(tile_a[lane * 8])) && (lane >= 16 || std::isnan(to_float(tile_b[lane * 8])));
  copy_async_wait<0>();
  __syncwarp();
  uint32_t fragments_a[4], fragments_b[4], pair[2];
  load_matrices(fragments_a, tile_a + lane % 16 * 16 + lane / 16 * 8);
  // b is [16][8], or [8][16] where it is stored transposed.
  if (transposed) {
    load_matrices(fragments_b, tile_b + lane % 8 * 16 + lane / 8 % 2 * 8);
  } else {
    load_matrices_transposed(fragments_b, tile_b + lane % 16 * 8);
  }
  pair[0] = fragments_b[0];
  pair[1] = fragments_b[1];
  float sums[4] = {1.0f, 1.0f, 1.0f, 1.0f};
  multiply_matrices<T>(sums, fragments_a, pair);
  for (int i = 0; i < 4; i++) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = is_there ? sums[i] : NAN;
}

template <typename T>
void test_multiply(bool transposed) {
  const Memory<T> a(256), b(128);
  const Memory<float> d(128);
  for (int i = 0; i < 256; i++) a[i] = from_float<T>(float(i * 7 % 23) - 11);
  for (int i = 0; i < 128; i++) b[i] = from_float<T>(float(i * 5 % 19) / 4);
  launch(test_context(), multiply_kernel<T>, {.threads = 32, .shared_bytes = 768}, a.data, b.data, d.data, transposed);
  for (int row = 0; row < 16; row++) {
    for (int column = 0; column < 8; column++) {
      float sum = 1;
      for (int k = 0; k < 16; k++) {
        sum += to_float(a[row * 16 + k]) * to_float(b[transposed ? column * 16 + k : k * 8 + column]);
      }
      expect(d[row * 8 + column] == sum, "product of matrices");
    }
  }
}

__global__ void pipeline_kernel(int* out) {
  __shared__ int slot;
  int sum = 0;
  for (int i = 0; i < 5; i++) {
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
  if (threadIdx.x >= 32) out[threadIdx.x - 32] = sum;
}

void test_named_barriers() {
  const Memory<int> out(32);
  launch(test_context(), pipeline_kernel, {.threads = 64}, out.data);
  for (int i = 0; i < 32; i++) expect(out[i] == 10, "warps with roles");
}

void test_halves() {
  bool round_trips = true, rounds = true;
  for (unsigned bits = 0; bits < 0x7c00; bits++) {
    const float value = __half2float(__ushort_as_half((unsigned short)bits));
    const float next = __half2float(__ushort_as_half((unsigned short)(bits + 1)));
    round_trips &= __half_as_ushort(__float2half_rn(value)) == bits;
    round_trips &= __half_as_ushort(__float2half_rn(-value)) == (bits | 0x8000);
    const float exact = std::ldexp(float(bits % 1024 + (bits < 1024 ? 0 : 1024)), bits < 1024 ? -24 : int(bits / 1024) - 25);
    rounds &= value == exact;
    if (bits == 0x7bff) continue;
    const float middle = (value + next) / 2;
    rounds &= __half_as_ushort(__float2half_rn(middle)) == (bits + 1) / 2 * 2;
    rounds &= __half_as_ushort(__float2half_rn(std::nextafter(middle, 0.0f))) == bits;
    rounds &= __half_as_ushort(__float2half_rn(std::nextafter(middle, 1e9f))) == bits + 1;
  }
  expect(round_trips, "float16 through float");
  expect(rounds, "float to float16");
  expect(__half_as_ushort(__float2half_rn(65520.0f)) == 0x7c00, "float16 infinity");
  expect(__half_as_ushort(__float2half_rn(65519.996f)) == 0x7bff, "float16 largest");
  expect(std::isinf(__half2float(__ushort_as_half(0x7c00))), "float16 infinity as float");
  expect(std::isnan(__half2float(__float2half_rn(NAN))) && std::isnan(__bfloat162float(__float2bfloat16_rn(NAN))), "NaN");
  expect(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x3f808000))) == 0x3f80, "bfloat16 tie to even");
  expect(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x3f818000))) == 0x3f82, "bfloat16 tie to even");
  expect(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x3f808001))) == 0x3f81, "bfloat16 rounds up");
}

}  // namespace

void test_results() {
  test_exchanges();
  test_blocks();
  test_multiply<float16>(false);
  test_multiply<float16>(true);
  test_multiply<bfloat16>(false);
  test_multiply<bfloat16>(true);
  test_named_barriers();
  test_halves();
  expect(max(-1, 3u) == 0xffffffffu && min(2.0f, NAN) == 2.0f && __float2int_rn(2.5f) == 2, "numbers");
  expect(__popc(0xf0u) == 4 && __clz(1) == 31 && __ffs(8) == 4 && __brev(1u) == 0x80000000u, "bits");
}
