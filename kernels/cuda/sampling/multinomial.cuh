#pragma once
// Draws events by inverting the cumulative distribution: a binary search for a uniform random number.

#include "common/element.cuh"
#include "sampling/philox.cuh"

namespace attention {

/// Returns the first event whose running sum exceeds the random number, or the last event. One sample per thread.
/// Rounding of the sums may select an event of probability 0; the loops at the end move on to one that is possible.
__global__ void __launch_bounds__(256)
    multinomial_kernel(const float* probabilities, const float* sums, int* output, int64_t rows, int64_t events,
                       int64_t samples, bool normalized, uint32_t key0, uint32_t key1) {
  const int64_t index = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= rows * samples) return;
  const uint64_t row = uint64_t(index / samples);
  const uint64_t sample = uint64_t(index) - row * uint64_t(samples);
  const uint4 words = philox4x32(
      uint4{uint32_t(sample), uint32_t(sample >> 32), uint32_t(row), uint32_t(row >> 32)}, key0, key1);
  const float random = float(words.x >> 8) * 0x1p-24f;
  probabilities += row * events;
  sums += row * events;
  int64_t low = 0;
  int64_t high = events - 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (random < sums[middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low < events - 1 || !normalized) {
    while (low > 0 && probabilities[low] == 0.0f) low--;
    while (low < events - 1 && probabilities[low] == 0.0f) low++;
  }
  output[index] = int(low);
}

}  // namespace attention
