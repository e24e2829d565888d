#include <algorithm>

#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "movement/scatter.cuh"

namespace attention {

struct ScatterParams {
  Operand tensor;             // like output, or none
  TypedOperand<int> indices;  // [count, index_rank] int32
  Operand updates;            // [count, slice_length] like output
  Operand output;             // [slices, slice_length]
  int index_rank;             // coordinates per index
  Axes strides;               // of the coordinates, in slices
  int64_t count;              // number of updates
  int64_t slice_length;
  int64_t slices;  // of the output
};

namespace {

constexpr int64_t longest_run = 2048;  // of keys that are sorted in shared memory

ScatterShape shape_of(const ScatterParams& params) {
  if (params.count > INT32_MAX || params.slices > int64_t(1) << (63 - update_bits)) {
    throw DeviceError("ERR_RANGE", "too many updates or slices");
  }
  ScatterShape shape{
      .count = params.count,
      .slices = params.slices,
      .slice_length = params.slice_length,
      .index_rank = params.index_rank,
      .strides = {},
      .adds = !params.tensor,
  };
  std::copy(params.strides, params.strides + params.index_rank, shape.strides);
  return shape;
}

void sort_keys(const LaunchContext& context, const int* indices, uint64_t* keys, int64_t size,
               const ScatterShape& shape) {
  const int run = int(std::min(size, longest_run));
  const Grid runs{.blocks = size / run, .threads = sort_threads, .shared_bytes = run * sizeof(uint64_t)};
  const Grid pairs{.blocks = divide_up<int64_t>(size / 2, sort_threads), .threads = sort_threads};
  launch(context, scatter_keys_kernel, runs, indices, keys, run, shape);
  for (int64_t sorted = 2 * int64_t(run); sorted <= size; sorted *= 2) {
    for (int64_t stride = sorted / 2; stride >= run; stride /= 2) {
      launch(context, sort_step_kernel, pairs, keys, size / 2, sorted, stride);
    }
    launch(context, sort_merge_kernel, runs, keys, run, sorted);
  }
}

}  // namespace

/// Scatters slices to indices. Without `tensor`, updates of one slice are added in order, starting from zero; with it,
/// the last update replaces its slice. Indices outside the output are ignored.
void scatter(const LaunchContext& context, const ScatterParams& params) {
  check_rank(params.index_rank);
  const size_t bytes = size_t(params.slices * params.slice_length) * element_bytes(params.output.type);
  if (bytes == 0) return;
  if (params.tensor) {
    check(cudaMemcpyAsync(params.output.data, params.tensor.data, bytes, cudaMemcpyDeviceToDevice, context.stream),
          "cudaMemcpyAsync");
  } else {
    check(cudaMemsetAsync(params.output.data, 0, bytes, context.stream), "cudaMemsetAsync");
  }
  if (params.count == 0) return;
  const ScatterShape shape = shape_of(params);
  int64_t size = 2;
  while (size < params.count) size *= 2;
  const Scratch keys(context, size_t(size) * sizeof(uint64_t));
  sort_keys(context, params.indices, keys.as<uint64_t>(), size, shape);
  int width = 1;
  while (width < elementwise_threads && width < params.slice_length) width *= 2;
  const int height = elementwise_threads / width;
  const int64_t chunks = std::min<int64_t>(divide_up<int64_t>(params.slice_length, width), 1024);
  with_compute_type(is_float(params.output.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, scatter_kernel<Value>,
           {.blocks = {divide_up<int64_t>(params.count, height), chunks},
            .threads = dim3(width, height)},
           keys.as<uint64_t>(), params.updates.data, params.output.data, params.output.type, shape);
  });
}

ATTENTION_OPERATION(scatter, ScatterParams, tensor, indices, updates, output, index_rank, strides, count,
                    slice_length, slices)

}  // namespace attention
