#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct SampleTokensParams {
  Operand logits;         // [rows, vocabulary]
  const int* parameters;  // [6, rows]: bits of temperature, top-p and min-p; top-k, seed, position
  int* output;            // [rows]
  int rows;
  int vocabulary;
};

/// Samples a token for each row of logits; -1 for a row without a distribution.
void sample_tokens(const LaunchContext& context, const SampleTokensParams& params);

}  // namespace attention
