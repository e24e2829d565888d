// The instructions of kernels/cuda/common/ptx.cuh.

#include <cstring>
#include <utility>

#include "hopper.h"
#include "common/element_type.h"
#include "ptx_emulated.h"

namespace attention::emulator {

void check_address(const void* address, size_t alignment, bool in_shared_memory, const Site& site) {
  if (reinterpret_cast<uintptr_t>(address) % alignment) {
    const std::string text = "expected an address that is a multiple of " + std::to_string(alignment) + ", received " +
                             std::to_string(reinterpret_cast<uintptr_t>(address) % alignment) + " more";
    fail(site, text.c_str());
  }
  if (in_shared_memory && !is_shared(address, 16)) fail(site, "expected 16 bytes of the block's shared memory");
}

void start_copy(void* to, const void* from, unsigned bytes, const Site& site) {
  const void* instruction = __builtin_return_address(0);
  Copies& copies = grid().copies_of(current());
  check_address(to, 16, true, site);
  check_address(from, 16, false, site);
  if (copies.end - copies.first == most_copies) fail(site, "the thread has 1024 copies that it has not waited for");
  copies.ring[copies.end++ % most_copies] = {to, from, bytes, copies.group, instruction};
  hopper().check_overwrite(static_cast<unsigned char*>(to), 16, site);
  accessed(to, 16, true, instruction);
  std::memset(to, 0xff, 16);
}

void commit_copies() { grid().copies_of(current()).group++; }

void finish_copies(unsigned pending) {
  Copies& copies = grid().copies_of(current());
  for (; copies.first != copies.end; copies.first++) {
    const Copy& copy = copies.ring[copies.first % most_copies];
    if (copy.group + pending >= copies.group) break;
    accessed(copy.to, 16, true, copy.instruction);
    std::memset(copy.to, 0, 16);
    if (copy.bytes == 0) continue;
    accessed(copy.from, copy.bytes, false, copy.instruction);
    std::memcpy(copy.to, copy.from, copy.bytes);
  }
}

namespace {

struct LoadOperands {
  uint32_t* fragments;
  const uint16_t* row;
};

template <bool Transposed>
void finish_load(Warp& warp, unsigned) {
  for (unsigned lane = 0; lane < 32; lane++) {
    uint32_t* fragments = operands<LoadOperands>(warp, lane)->fragments;
    for (unsigned matrix = 0; matrix < 4; matrix++) {
      const auto row = [&](unsigned r) { return operands<LoadOperands>(warp, matrix * 8 + r)->row; };
      const unsigned low = Transposed ? row(lane % 4 * 2)[lane / 4] : row(lane / 4)[lane % 4 * 2];
      const unsigned high = Transposed ? row(lane % 4 * 2 + 1)[lane / 4] : row(lane / 4)[lane % 4 * 2 + 1];
      fragments[matrix] = low | high << 16;
    }
  }
}

struct MultiplyOperands {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

template <bool IsBfloat16>
float widen(uint32_t bits) {
  return IsBfloat16 ? bfloat16_to_float(uint16_t(bits)) : float16_to_float(uint16_t(bits));
}

template <bool IsBfloat16>
void finish_multiply(Warp& warp, unsigned) {
  constexpr int rows = 16, columns = 8, depth = 16;
  uint16_t a_bits[rows][depth], b_bits[depth][columns];
  float a[rows][depth], b[depth][columns], d[rows][columns];
  for (unsigned lane = 0; lane < 32; lane++) {
    const MultiplyOperands& own = *operands<MultiplyOperands>(warp, lane);
    const unsigned group = lane / 4;
    const unsigned pair = lane % 4 * 2;
    for (unsigned i = 0; i < 4; i++) std::memcpy(&a_bits[group + i % 2 * 8][pair + i / 2 * 8], &own.a[i], 4);
    for (unsigned i = 0; i < 2; i++) {
      b_bits[pair + i * 8][group] = uint16_t(own.b[i]);
      b_bits[pair + i * 8 + 1][group] = uint16_t(own.b[i] >> 16);
    }
    std::memcpy(&d[group][pair], own.d, 8);
    std::memcpy(&d[group + 8][pair], own.d + 2, 8);
  }
  for (int i = 0; i < rows; i++) {
    for (int k = 0; k < depth; k++) a[i][k] = widen<IsBfloat16>(a_bits[i][k]);
  }
  for (int k = 0; k < depth; k++) {
    for (int j = 0; j < columns; j++) b[k][j] = widen<IsBfloat16>(b_bits[k][j]);
  }
  for (int i = 0; i < rows; i++) {
    float sums[columns];
    for (int j = 0; j < columns; j++) sums[j] = d[i][j];
    for (int k = 0; k < depth; k++) {
      for (int j = 0; j < columns; j++) sums[j] += a[i][k] * b[k][j];
    }
    for (int j = 0; j < columns; j++) d[i][j] = sums[j];
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    float* own = operands<MultiplyOperands>(warp, lane)->d;
    std::memcpy(own, &d[lane / 4][lane % 4 * 2], 8);
    std::memcpy(own + 2, &d[lane / 4 + 8][lane % 4 * 2], 8);
  }
}

}  // namespace

void load_matrices(uint32_t (&fragments)[4], const void* row, bool transposed, const Site& site) {
  check_address(row, 16, true, site);
  hopper().check_read(static_cast<const unsigned char*>(row), 16, site);
  accessed(row, 16, false, __builtin_return_address(0));
  LoadOperands own{fragments, static_cast<const uint16_t*>(row)};
  join_warp(~0u, &own, transposed ? finish_load<true> : finish_load<false>, site);
}

void multiply_matrices(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool is_bfloat16,
                       const Site& site) {
  MultiplyOperands own{d, a, b};
  join_warp(~0u, &own, is_bfloat16 ? finish_multiply<true> : finish_multiply<false>, site);
}

}  // namespace attention::emulator
