#pragma once
// What kernels/cuda/common/hopper.cuh and wgmma.cuh have, for the emulator.

#include <cstdint>

#include <cuda_runtime.h>

#include "common/element_type.h"
#include "common/tensor_map.h"

#define ATTENTION_HOPPER 1

namespace attention {

constexpr int warpgroup_size = 128;

/// Where a box begins in its tensor, innermost first.
struct BoxStart {
  int element[tensor_map_rank];
};

namespace emulator {
void init_barrier(uint64_t& barrier, int arrivals, const Site& site);
void publish_barriers();
void arrive(uint64_t& barrier, int64_t bytes, const Site& site);
void wait_for_phase(uint64_t& barrier, uint32_t parity, const Site& site);
void copy_box(void* shared, const TensorMap& map, uint64_t& barrier, const BoxStart& start, const Site& site);
void fence_async_proxy();

/// Operands of a product in a thread: 64x16 times 16xN.
struct ProductOperands {
  float* d;
  const uint32_t* a_registers;  // 4, null: a is in shared memory
  uint64_t a, b;
  bool add, is_bfloat16, is_b_transposed;
  int columns;
};
void begin_products(const Site& site);
void start_product(const ProductOperands& operands, const Site& site);
void commit_products(const Site& site);
void wait_for_products(int pending, const Site& site);
}  // namespace emulator

inline void init_barrier(uint64_t& barrier, int arrivals, ATTENTION_CALLER) {
  emulator::init_barrier(barrier, arrivals, ATTENTION_SITE("init_barrier"));
}
inline void publish_barriers() { emulator::publish_barriers(); }
inline void arrive(uint64_t& barrier, ATTENTION_CALLER) { emulator::arrive(barrier, 0, ATTENTION_SITE("arrive")); }
inline void arrive_expecting(uint64_t& barrier, uint32_t bytes, ATTENTION_CALLER) {
  emulator::arrive(barrier, bytes, ATTENTION_SITE("arrive_expecting"));
}
inline void wait_for_phase(uint64_t& barrier, uint32_t parity, ATTENTION_CALLER) {
  emulator::wait_for_phase(barrier, parity, ATTENTION_SITE("wait_for_phase"));
}
inline void copy_box(void* shared, const TensorMap& map, uint64_t& barrier, const BoxStart& start, ATTENTION_CALLER) {
  emulator::copy_box(shared, map, barrier, start, ATTENTION_SITE("copy_box"));
}
inline void prefetch_tensor_map(const TensorMap&) {}
inline void fence_async_proxy() { emulator::fence_async_proxy(); }

inline bool elect_lane(ATTENTION_CALLER) {
  emulator::join_warp(~0u, nullptr, nullptr, ATTENTION_SITE("elect_lane"));
  return emulator::current().lane == 0;
}

inline void named_barrier_arrive(int id, int threads, ATTENTION_CALLER) {
  emulator::arrive_at_barrier(unsigned(id), unsigned(threads), ATTENTION_SITE("named_barrier_arrive"));
}

template <int Count>
void release_registers() {
  static_assert(Count >= 24 && Count <= 256 && Count % 8 == 0);
}
template <int Count>
void claim_registers() {
  static_assert(Count >= 24 && Count <= 256 && Count % 8 == 0);
}

inline uint64_t matrix_descriptor(const void* shared, int next_rows, int next_columns = 16) {
  const uint64_t address = uint64_t(static_cast<const unsigned char*>(shared) - emulator::block.shared);
  return (address & 0x3ffff) >> 4 | uint64_t(next_columns >> 4) << 16 | uint64_t(next_rows >> 4) << 32 |
         uint64_t(1) << 62;
}
inline uint64_t advance(uint64_t descriptor, int bytes) { return descriptor + uint64_t(bytes >> 4); }

inline void begin_products(ATTENTION_CALLER) { emulator::begin_products(ATTENTION_SITE("begin_products")); }
inline void commit_products(ATTENTION_CALLER) { emulator::commit_products(ATTENTION_SITE("commit_products")); }

/// Until then `d` holds NaN.
template <int Pending, int Count>
void wait_for_products(float (&)[Count], ATTENTION_CALLER) {
  emulator::wait_for_products(Pending, ATTENTION_SITE("wait_for_products"));
}

template <typename T, int N>
void multiply_shared(float (&d)[N / 2], uint64_t a, uint64_t b, bool add, ATTENTION_CALLER) {
  static_assert(N % 8 == 0 && N >= 8 && N <= 256);
  static_assert(std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>);
  emulator::start_product({d, nullptr, a, b, add, std::is_same_v<T, bfloat16>, false, N},
                          ATTENTION_SITE("multiply_shared"));
}

template <typename T, int N>
void multiply_registers(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool add = true,
                        ATTENTION_CALLER) {
  static_assert(N % 8 == 0 && N >= 8 && N <= 256);
  static_assert(std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>);
  emulator::start_product({d, a, 0, b, add, std::is_same_v<T, bfloat16>, true, N},
                          ATTENTION_SITE("multiply_registers"));
}

}  // namespace attention
