#pragma once

#include "common/operation.h"
#include "common/strides.h"

namespace attention {

struct CopyParams {
  Operand x;
  Operand output;
  int rank;
  Axes shape;      // of the copied part, collapsed
  Axes x_strides;  // in elements; negative ones run backwards
  Axes output_strides;
  int64_t x_offset;  // in elements
  int64_t output_offset;
};

/// Copies a strided part of a tensor to a strided part of another, converting if the types differ.
void copy(const LaunchContext& context, const CopyParams& params);

}  // namespace attention
