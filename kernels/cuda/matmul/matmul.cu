#include "common/strides.h"
#include "matmul/matmul.h"

namespace attention {

template <typename T>
void launch_matmul(const LaunchContext& context, const MatmulParams& params);  // matmul_launch.cuh

void matmul(const LaunchContext& context, const MatmulParams& given) {
  MatmulParams params = given;
  expect_size("batchRank", params.batch_rank, 0, max_batch_rank);
  const int64_t batches = size_of(params.batch_rank, params.batch_shape);
  if (batches == 0 || params.rows == 0 || params.columns == 0) return;
  constexpr int64_t most = INT32_MAX - 4096;  // leaves room for indices beyond the end
  if (batches > most || params.rows > most || params.columns > most || params.depth > most) {
    throw DeviceError("ERR_UNSUPPORTED", "expected rows, columns, depth and batch below 2^31 - 4096, received " +
                                             std::to_string(params.rows) + ", " + std::to_string(params.columns) + ", " +
                                             std::to_string(params.depth) + " and " + std::to_string(batches));
  }
  // A vector is its own transpose; choose the faster layout.
  if (params.rows == 1) params.transpose_a = false;
  if (params.columns == 1) params.transpose_b = true;
  with_float_type(params.output.type, [&](auto tag) { launch_matmul<typename decltype(tag)::type>(context, params); });
}

ATTENTION_OPERATION(matmul, MatmulParams, a, b, bias, output, batch_rank, batch_shape, a_batch_strides,
                    b_batch_strides, rows, columns, depth, transpose_a, transpose_b, bias_per_column, activation,
                    slope, allow_tf32, allow_cublaslt)

}  // namespace attention
