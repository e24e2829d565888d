#include "blocks/block_linear.h"

#include "blocks/decode_blocks.h"
#include "matmul/matmul.h"

namespace attention {

template <typename T>
void launch_block_linear(const LaunchContext& context, const BlockLinearParams& params);  // block_linear.cuh

namespace {

/// The most rows that are multiplied by codes; for more, decoding the weight once pays.
constexpr int64_t max_stream_rows(ElementType type) { return type == ElementType::float32 ? 16 : 64; }

/// Decodes the weight for a product of many rows.
void multiply_decoded(const LaunchContext& context, const BlockLinearParams& params) {
  const int64_t elements = params.columns * params.depth;
  const Scratch scratch(context, size_t(elements) * element_bytes(params.x.type));
  const Operand weight = {scratch.as<void>(), params.x.type};
  decode_blocks(context, params.weight, weight, elements);
  matmul(context, {
                      .a = params.x,
                      .b = weight,
                      .bias = params.bias,
                      .output = params.output,
                      .batch_rank = 0,
                      .batch_shape = {},
                      .a_batch_strides = {},
                      .b_batch_strides = {},
                      .rows = params.rows,
                      .columns = params.columns,
                      .depth = params.depth,
                      .transpose_a = false,
                      .transpose_b = true,
                      .bias_per_column = true,
                      .activation = MatMulActivation::linear,
                      .slope = 0.0f,
                      .allow_tf32 = params.allow_tf32,
                      .allow_cublaslt = params.allow_cublaslt,
                  });
}

}  // namespace

void block_linear(const LaunchContext& context, const BlockLinearParams& params) {
  if (params.rows == 0 || params.columns == 0) return;
  constexpr int64_t most = INT32_MAX - 4096;  // leaves room for indices beyond the end
  expect_size("rows", params.rows, 0, most);
  expect_size("columns", params.columns, 0, most);
  expect_size("depth", params.depth, 0, most / 4);
  const auto is_aligned = [](const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; };
  const bool is_bfloat16 = params.x.type == ElementType::bfloat16;
  const bool is_supported = !is_bfloat16 || context.device.architecture >= 80;
  if (params.rows > max_stream_rows(params.x.type) || !is_supported || !is_aligned(params.x.data) || !is_aligned(params.weight.data)) {
    return multiply_decoded(context, params);
  }
  with_float_type(params.x.type,
                  [&](auto tag) { launch_block_linear<typename decltype(tag)::type>(context, params); });
}

ATTENTION_OPERATION(block_linear, BlockLinearParams, x, weight, bias, output, rows, columns, depth, allow_tf32,
                    allow_cublaslt)

}  // namespace attention
