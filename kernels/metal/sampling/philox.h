#pragma once
#include <metal_stdlib>

using namespace metal;

/// Philox 4x32-10: four random words from a counter and a key. Salmon et al., "Parallel Random Numbers: As Easy as 1,
/// 2, 3", SC 2011.
inline uint4 philox4x32(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; round++) {
    const uint high0 = mulhi(0xd2511f53u, counter.x);
    const uint high2 = mulhi(0xcd9e8d57u, counter.z);
    const uint low0 = 0xd2511f53u * counter.x;
    const uint low2 = 0xcd9e8d57u * counter.z;
    counter = uint4(high2 ^ counter.y ^ key.x, low2, high0 ^ counter.w ^ key.y, low0);
    key = uint2(key.x + 0x9e3779b9u, key.y + 0xbb67ae85u);
  }
  return counter;
}

/// Gumbel noise -ln(-ln(1 - u)) of u = (bits + 0.5) / 2^32, accurate to float precision in both tails.
inline float gumbel_noise(uint bits) {
  constexpr float scale = 2.3283064365386963e-10f;  // 2^-32
  float exponential;                                // -ln(1 - u)
  if (bits < 0x80000000u) {
    // 1 - u loses bits of u, but log(w) / (w - 1) varies so slowly that the rounded w is good enough.
    const float u = (float(bits) + 0.5f) * scale;
    const float w = 1.0f - u;
    exponential = w == 1.0f ? u : precise::log(w) * (u / (w - 1.0f));
  } else {
    exponential = -precise::log((float(~bits) + 0.5f) * scale);
  }
  return -precise::log(exponential);
}

constant constexpr float largest_gumbel_noise = 22.9f;  // an upper bound: word 0 gives 22.874
