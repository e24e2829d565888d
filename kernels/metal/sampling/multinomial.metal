// Draws samples from the cumulative sums of probabilities: the first event whose cumulative sum exceeds a random
// number, or the last event if there is none. One thread per sample.
#include <metal_stdlib>
#include "common/element.h"
#include "sampling/philox.h"

using namespace metal;

constant int probability_type [[function_constant(0)]];
constant bool normalized [[function_constant(1)]];  // by the caller; rounding may leave the last sum below 1

struct MultinomialParams {
  uint events;
  uint samples;  // per row
  uint size;     // of the output, in samples
  uint key0;     // Philox key, low word
  uint key1;
};

[[kernel]] void multinomial(device const uchar* probabilities [[buffer(0)]],
                            device const float* sums [[buffer(1)]],
                            device int* output [[buffer(2)]],
                            constant MultinomialParams& params [[buffer(3)]],
                            uint index [[thread_position_in_grid]]) {
  if (index >= params.size) return;
  const uint row = index / params.samples;
  const uint4 words = philox4x32(uint4(index % params.samples, 0, row, 0), uint2(params.key0, params.key1));
  const float random = float(words.x >> 8) * 5.9604644775390625e-8f;  // 2^-24
  const size_t base = size_t(row) * params.events;
  uint low = 0;
  uint high = params.events - 1;
  while (low < high) {
    const uint middle = low + (high - low) / 2;
    if (random < sums[base + middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  // Never draws an event of probability 0, even if rounding of the sums points at one.
  if (low < params.events - 1 || !normalized) {
    while (low > 0 && load_element<float>(probabilities, probability_type, base + low) == 0.0f) low--;
    while (low < params.events - 1 && load_element<float>(probabilities, probability_type, base + low) == 0.0f) low++;
  }
  output[index] = int(low);
}
