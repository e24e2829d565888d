#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct RmsNormParams {
  Operand x;             // [rows, width]
  Operand weight;        // [width], float32 or the type of x
  Operand residual;      // like x, or none
  Operand normed;        // like x
  Operand residual_sum;  // like x; none without a residual
  int64_t rows;
  int width;
  float epsilon;
  bool add_unit_offset;
};

/// Root-mean-square norm of rows, after adding the residual.
void rms_norm(const LaunchContext& context, const RmsNormParams& params);

}  // namespace attention
