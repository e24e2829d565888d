#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

/// What an element of a product becomes, numbered as in packages/backend-common/src/tfjs_kernels/matmul.ts.
enum class Activation : int { linear = 0, relu = 1, relu6 = 2, elu = 3, leakyrelu = 4, sigmoid = 5 };

constexpr int max_batch_rank = 4;

/// output[batch] = activation(a[batch] b[batch] + bias). One type of float for all operands, accumulated in float32.
struct MatmulParams {
  Operand a;       // a matrix [rows, depth], or [depth, rows] where transpose_a
  Operand b;       // a matrix [depth, columns], or [columns, depth] where transpose_b
  Operand bias;    // [columns] or one element, or none
  Operand output;  // [batch, rows, columns]
  int batch_rank;
  int64_t batch_shape[max_batch_rank];
  int64_t a_batch_strides[max_batch_rank];  // in elements; 0 where the matrix is the same
  int64_t b_batch_strides[max_batch_rank];
  int64_t rows;
  int64_t columns;
  int64_t depth;
  bool transpose_a;
  bool transpose_b;
  bool bias_per_column;
  Activation activation;
  float slope;      // of leakyrelu
  bool allow_tf32;      // float32 operands may be rounded to TF32
  bool allow_cublaslt;  // where it is found
};

/// Matrix products of a batch, whose matrices are contiguous.
void matmul(const LaunchContext& context, const MatmulParams& params);

}  // namespace attention
