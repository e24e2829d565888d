#pragma once

#include "common/operation.h"

namespace attention {

constexpr int max_batch_rank = 4;

/// output[batch] = activation(a[batch] b[batch] + bias). All operands have the same float type; sums are float32.
struct MatmulParams {
  Operand a;       // a matrix [rows, depth], or [depth, rows] if transpose_a
  Operand b;       // a matrix [depth, columns], or [columns, depth] if transpose_b
  Operand bias;    // [columns] or one element, or none
  Operand output;  // [batch, rows, columns]
  int batch_rank;
  int64_t batch_shape[max_batch_rank];
  int64_t a_batch_strides[max_batch_rank];  // in elements; 0 if the matrix is broadcast
  int64_t b_batch_strides[max_batch_rank];
  int64_t rows;
  int64_t columns;
  int64_t depth;
  bool32 transpose_a;
  bool32 transpose_b;
  bool32 bias_per_column;
  MatMulActivation activation;
  float slope;            // of leakyrelu
  bool32 allow_tf32;      // float32 operands may be rounded to TF32
  bool32 allow_cublaslt;  // if it is installed
};

/// Computes a batch of matrix products. Each matrix is contiguous.
void matmul(const LaunchContext& context, const MatmulParams& params);

}  // namespace attention
