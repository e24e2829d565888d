#include "matmul/matmul.h"

#include <algorithm>

#include "binding.h"

namespace attention::cuda {
namespace {

/// One number for each axis of the batch.
void take_axes(Arguments& arguments, int64_t (&axes)[max_batch_rank], int& rank) {
  const auto values = arguments.integers();
  if (values.size() > max_batch_rank) {
    throw DeviceError("ERR_UNSUPPORTED", "batch: expected at most 4 axes, received " + std::to_string(values.size()));
  }
  std::copy(values.begin(), values.end(), axes);
  rank = int(values.size());
}

// (a, b, bias, output, batchShape, aBatchStrides, bBatchStrides, rows, columns, depth, transposeA, transposeB,
//  biasPerColumn, activation, leakyreluAlpha, allowTf32, allowCublaslt); shape and strides are Float64Arrays.
const Binding binding("matmul", [](const LaunchContext& context, Arguments& arguments) {
  MatmulParams params{
      .a = arguments.tensor(),
      .b = arguments.tensor(),
      .bias = arguments.tensor(),
      .output = arguments.tensor(),
  };
  take_axes(arguments, params.batch_shape, params.batch_rank);
  take_axes(arguments, params.a_batch_strides, params.batch_rank);
  take_axes(arguments, params.b_batch_strides, params.batch_rank);
  params.rows = arguments.integer();
  params.columns = arguments.integer();
  params.depth = arguments.integer();
  params.transpose_a = arguments.flag();
  params.transpose_b = arguments.flag();
  params.bias_per_column = arguments.flag();
  params.activation = Activation(arguments.integer32());
  params.slope = arguments.number();
  params.allow_tf32 = arguments.flag();
  params.allow_cublaslt = arguments.flag();
  matmul(context, params);
});

}  // namespace
}  // namespace attention::cuda
