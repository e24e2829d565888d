#include "common/operation.h"
#include "norm/rms_norm.cuh"

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
  bool32 add_unit_offset;
};

namespace {

constexpr int max_threads = 1024;
constexpr int rows_of_warps = 4;  // rows per block if one warp suffices for a row

template <int N, int Packs, typename T, typename W>
void launch_narrow(const LaunchContext& context, const RmsNormParams& params) {
  const int threads = divide_up(divide_up(params.width, N * Packs), warp_size) * warp_size;
  const int rows_per_block = threads == warp_size ? rows_of_warps : 1;
  launch(context, rms_norm_kernel<N, Packs, T, W>,
         {.blocks = divide_up<int64_t>(params.rows, rows_per_block),
          .threads = dim3(threads, rows_per_block)},
         params.x.as<T>(), params.weight.as<W>(), params.residual.as<T>(), params.normed.as<T>(),
         params.residual_sum.as<T>(), params.rows, params.width, params.epsilon, params.add_unit_offset ? 1.0f : 0.0f);
}

template <int N, typename T, typename W>
void launch_row(const LaunchContext& context, const RmsNormParams& params) {
  const int packs = divide_up(params.width, N);
  // If there are few rows, spread each over more threads to fill the device.
  const int thread_limit = params.rows <= context.device.multiprocessors ? max_threads : 256;
  if (packs <= thread_limit) return launch_narrow<N, 1, T, W>(context, params);
  if (packs <= 4 * max_threads) return launch_narrow<N, 4, T, W>(context, params);
  launch(context, rms_norm_wide_kernel<T, W>, {.blocks = params.rows, .threads = max_threads},
         params.x.as<T>(), params.weight.as<W>(), params.residual.as<T>(), params.normed.as<T>(),
         params.residual_sum.as<T>(), params.width, params.epsilon, params.add_unit_offset ? 1.0f : 0.0f);
}

template <typename T, typename W>
void launch_types(const LaunchContext& context, const RmsNormParams& params) {
  if (params.width % pack_size<T> == 0) return launch_row<pack_size<T>, T, W>(context, params);
  launch_row<1, T, W>(context, params);
}

}  // namespace

/// Root-mean-square norm of each row, after adding the residual.
void rms_norm(const LaunchContext& context, const RmsNormParams& params) {
  if (params.rows == 0 || params.width == 0) return;
  with_float_type(params.x.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (params.weight.type == ElementType::float32) return launch_types<T, float>(context, params);
    launch_types<T, T>(context, params);
  });
}

ATTENTION_OPERATION(rms_norm, RmsNormParams, x, weight, residual, normed, residual_sum, rows, width, epsilon,
                    add_unit_offset)

}  // namespace attention
