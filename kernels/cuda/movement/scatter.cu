#include "movement/scatter.h"

#include <algorithm>

#include "elementwise/elementwise.h"
#include "movement/scatter.cuh"

namespace attention {
namespace {

constexpr int64_t longest_run = 2048;  // of keys, sorted in shared memory

ScatterShape shape_of(const ScatterParams& params) {
  if (params.strides.size() > size_t(max_rank)) {
    throw DeviceError("ERR_RANGE", "expected indices of at most 6 numbers, received " +
                                       std::to_string(params.strides.size()));
  }
  if (params.count > INT32_MAX || params.slices > int64_t(1) << (63 - update_bits)) {
    throw DeviceError("ERR_RANGE", "too many updates or slices");
  }
  ScatterShape shape{
      .count = params.count,
      .slices = params.slices,
      .slice_length = params.slice_length,
      .index_rank = int(params.strides.size()),
      .strides = {},
      .adds = !params.tensor,
  };
  for (size_t axis = 0; axis < params.strides.size(); axis++) shape.strides[axis] = params.strides[axis];
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

void scatter(const LaunchContext& context, const ScatterParams& params) {
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
  sort_keys(context, params.indices.as<int>(), keys.as<uint64_t>(), size, shape);
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

}  // namespace attention
