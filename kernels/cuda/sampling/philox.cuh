#pragma once

#include <cstdint>

namespace attention {

/// Philox 4x32-10: a counter-based generator that turns a counter and a key into four random words. Salmon et al.,
/// "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
__device__ __forceinline__ uint4 philox4x32(uint4 counter, uint32_t key0, uint32_t key1) {
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t product0 = uint64_t(0xd2511f53u) * counter.x;
    const uint64_t product2 = uint64_t(0xcd9e8d57u) * counter.z;
    counter = uint4{uint32_t(product2 >> 32) ^ counter.y ^ key0, uint32_t(product2),
                    uint32_t(product0 >> 32) ^ counter.w ^ key1, uint32_t(product0)};
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return counter;
}

/// Gumbel noise -ln(-ln(1 - u)) from a random word b, with u = (b + 0.5) / 2^32, accurate in both tails.
__device__ __forceinline__ float gumbel_noise(uint32_t bits) {
  constexpr float scale = 2.3283064365386963e-10f;  // 2^-32
  const float exponential = bits < 0x80000000u ? -log1pf(-(float(bits) + 0.5f) * scale)
                                               : -logf((float(~bits) + 0.5f) * scale);
  return -logf(exponential);
}

constexpr float largest_gumbel_noise = 22.9f;  // word 0 gives 22.874

}  // namespace attention
