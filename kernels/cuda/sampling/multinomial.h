#pragma once

#include <cstdint>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct MultinomialParams {
  Operand logits;   // [rows, events] of a float type
  Operand output;   // [rows, samples] int32
  int64_t rows;
  int64_t events;
  int64_t samples;
  bool normalized;  // `logits` are probabilities
  uint32_t key0;    // of the random numbers
  uint32_t key1;
};

/// Draws events of each row by their probabilities.
void multinomial(const LaunchContext& context, const MultinomialParams& params);

}  // namespace attention
