#include "reduction/softmax.h"

#include <algorithm>

#include "elementwise/elementwise.h"
#include "reduction/softmax.cuh"

namespace attention {
namespace {

constexpr int max_threads = 1024;
constexpr int part_threads = 512;
constexpr int64_t shortest_part = 8192;
constexpr int64_t max_parts = 256;

template <int N, int Packs>
void launch_rows(const LaunchContext& context, const SoftmaxParams& params) {
  const int threads = row_threads(params.length, N * Packs, max_threads);
  launch(context, softmax_rows_kernel<N, Packs>, row_grid(params.rows, threads), params.x.data, params.x.type,
         params.output.data, params.output.type, params.rows, int(params.length));
}

template <int N>
void launch_parts(const LaunchContext& context, const SoftmaxParams& params) {
  const int64_t wanted = divide_up<int64_t>(context.device.multiprocessors * 4, params.rows);
  const int64_t possible = divide_up(params.length, shortest_part);
  const int64_t parts = std::min({wanted, possible, max_parts});
  const int64_t part = divide_up(params.length, parts * N) * N;
  const Scratch states(context, size_t(params.rows * parts) * sizeof(SoftmaxState));
  const Grid grid{.blocks = {params.rows, parts}, .threads = part_threads};
  launch(context, softmax_parts_kernel<N>, grid, params.x.data, params.x.type, states.as<SoftmaxState>(),
         params.length, part);
  launch(context, softmax_scale_kernel<N>, grid, params.x.data, params.x.type, params.output.data, params.output.type,
         states.as<SoftmaxState>(), params.length, part);
}

}  // namespace

void softmax(const LaunchContext& context, const SoftmaxParams& params) {
  if (params.rows == 0 || params.length == 0) return;
  if (params.length % pack_elements == 0) {
    if (params.length <= 256 * pack_elements) return launch_rows<pack_elements, 1>(context, params);
    if (params.length <= max_threads * 4 * pack_elements) return launch_rows<pack_elements, 4>(context, params);
    return launch_parts<pack_elements>(context, params);
  }
  if (params.length <= 256) return launch_rows<1, 1>(context, params);
  if (params.length <= max_threads * 8) return launch_rows<1, 8>(context, params);
  launch_parts<1>(context, params);
}

ATTENTION_OPERATION(softmax, SoftmaxParams, x, output, rows, length)

}  // namespace attention
