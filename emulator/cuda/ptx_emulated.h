#pragma once
// What kernels/cuda/common/ptx.cuh has, for the emulator. Functions of a warp are done once, by the last of its lanes.

#include <cstdint>

#include <cuda_runtime.h>

#include "common/element_type.h"

namespace attention {

namespace emulator {
void check_address(const void* address, size_t alignment, bool in_shared_memory, const Site& site);
void load_matrices(uint32_t (&fragments)[4], const void* row, bool transposed, const Site& site);
void multiply_matrices(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool is_bfloat16,
                       const Site& site);
}  // namespace emulator

inline uint32_t shared_address(const void* shared) {
  return uint32_t(static_cast<const unsigned char*>(shared) - emulator::block.shared);
}

/// The copy is there when it is waited for; until then there is NaN.
inline void copy_async(void* shared, const void* global, bool valid = true, ATTENTION_CALLER) {
  emulator::start_copy(shared, global, valid ? 16 : 0, ATTENTION_SITE("copy_async"));
}

inline void copy_async(uint32_t shared, const void* global, bool valid = true, ATTENTION_CALLER) {
  emulator::start_copy(emulator::block.shared + shared, global, valid ? 16 : 0, ATTENTION_SITE("copy_async"));
}

inline void copy_some_async(void* shared, const void* global, int bytes, ATTENTION_CALLER) {
  emulator::start_copy(shared, global, unsigned(bytes), ATTENTION_SITE("copy_some_async"));
}

inline unsigned count_arrival(unsigned* counter) { return atomicAdd(counter, 1u); }

inline void copy_async_commit() { emulator::commit_copies(); }

template <int Pending>
void copy_async_wait() {
  emulator::finish_copies(Pending);
}

inline void init_arrivals(uint64_t&, int) {}

/// The copies are there when they are waited for.
inline void arrive_with_copies(uint64_t&) { emulator::commit_copies(); }

inline void wait_for_arrivals(uint64_t&, bool, ATTENTION_CALLER) {
  emulator::finish_copies(0);
  emulator::join_block(0, ATTENTION_SITE("wait_for_arrivals"));
}

inline void load_matrices(uint32_t (&fragments)[4], const void* shared_row, ATTENTION_CALLER) {
  emulator::load_matrices(fragments, shared_row, false, ATTENTION_SITE("load_matrices"));
}

inline void load_matrices_transposed(uint32_t (&fragments)[4], const void* shared_row, ATTENTION_CALLER) {
  emulator::load_matrices(fragments, shared_row, true, ATTENTION_SITE("load_matrices_transposed"));
}

inline void load_matrices(uint32_t (&fragments)[4], uint32_t row, ATTENTION_CALLER) {
  emulator::load_matrices(fragments, emulator::block.shared + row, false, ATTENTION_SITE("load_matrices"));
}

inline void load_matrices_transposed(uint32_t (&fragments)[4], uint32_t row, ATTENTION_CALLER) {
  emulator::load_matrices(fragments, emulator::block.shared + row, true, ATTENTION_SITE("load_matrices_transposed"));
}

template <typename T>
void multiply_matrices(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], ATTENTION_CALLER) {
  static_assert(std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>);
  emulator::multiply_matrices(d, a, b, std::is_same_v<T, bfloat16>, ATTENTION_SITE("multiply_matrices"));
}

template <typename T>
uint32_t pack_pair(float low, float high) {
  static_assert(std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>);
  const T pair[2] = {T(low), T(high)};
  return std::bit_cast<uint32_t>(pair);
}

inline float byte_to_float(uint32_t word, int i) { return float(word >> 8 * i & 0xff); }

template <typename T, int Offset>
void expand_bytes(uint32_t (&pairs)[2], uint32_t bytes) {
  float values[4];
  for (int i = 0; i < 4; i++) values[i] = float(int(bytes >> 8 * i & 0xff) - Offset);
  for (int i = 0; i < 2; i++) pairs[i] = pack_pair<T>(values[2 * i], values[2 * i + 1]);
}

template <int Offset>
void expand_bytes(float (&values)[4], uint32_t bytes) {
  for (int i = 0; i < 4; i++) values[i] = float(int(bytes >> 8 * i & 0xff) - Offset);
}

inline float tanh_coarse(float value) {
  const float result = tanhf(value);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(result) & ~0xfffu);  // no better than the device's
}

inline float exp2_approximate(float value) {
  const float normal = fabsf(value) < 0x1p-126f ? 0.0f : value;
  const float result = exp2f(normal);
  return result < 0x1p-126f ? 0.0f : result;
}

inline void named_barrier(int id, int threads, ATTENTION_CALLER) {
  emulator::join_barrier(unsigned(id), unsigned(threads), ATTENTION_SITE("named_barrier"));
}

inline uint4 load_once(const void* global, bool valid = true, ATTENTION_CALLER) {
  if (!valid) return {};
  emulator::check_address(global, 16, false, ATTENTION_SITE("load_once"));
  return *static_cast<const uint4*>(global);
}

}  // namespace attention
