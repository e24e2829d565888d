#pragma once

#include "common/operation.h"

namespace attention {

/// output = x · weightᵀ + bias, for a weight in a block type. Sums are float32.
struct BlockLinearParams {
  Operand x;             // [rows, depth]
  WeightOperand weight;  // [columns, depth]; lines are whole blocks
  Operand bias;          // [columns], the type of x, or none
  Operand output;        // [rows, columns], the type of x
  int64_t rows;
  int64_t columns;
  int64_t depth;
  bool32 allow_tf32;      // float32 operands may be rounded to TF32 in products of many rows
  bool32 allow_cublaslt;  // if it is installed
};

void block_linear(const LaunchContext& context, const BlockLinearParams& params);

}  // namespace attention
