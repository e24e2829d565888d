#include <algorithm>

#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "reduction/reduce.cuh"

namespace attention {

struct ReduceParams {
  Operand x;
  Operand output;  // contiguous
  Reduction operation;
  int output_rank;
  int reduce_rank;
  Axes output_shape;    // the remaining axes, collapsed
  Axes output_strides;  // in x
  Axes reduce_shape;    // the reduced axes, collapsed
  Axes reduce_strides;  // in x
};

namespace {

constexpr int64_t short_slice = 32;  // one thread per slice
constexpr int64_t shortest_row_part = 8192;
constexpr int64_t shortest_column_part = 16;  // per thread
constexpr int64_t max_parts = 1024;

struct ReduceLaunch {
  const void* x;
  void* output;
  ReduceShape shape;
  bool as_float;  // compute type; otherwise int
};

void reduce_slices(const LaunchContext& context, ReduceLaunch reduction);

Walk<1> make_line(int64_t length, int64_t stride) { return make_walk<1>(1, &length, {&stride}); }

/// Whether the walk consists of whole packs.
bool has_packs(const Walk<1>& walk) {
  return walk.strides[0][0] == 1 && walk.shape[0] % pack_elements == 0 && is_packed(walk, 0, pack_elements);
}

/// Whether all offsets of the walk are multiples of a pack.
bool steps_in_packs(const Walk<1>& walk) {
  for (int axis = 0; axis < walk.rank; axis++) {
    if (walk.strides[0][axis] % pack_elements != 0) return false;
  }
  return true;
}

/// Divides each slice into parts if the device would not be full otherwise: launches `kernel` on the parts, then
/// reduces their results.
template <typename Kernel>
void launch_parts(const LaunchContext& context, ReduceLaunch& reduction, Kernel kernel, Grid grid, int64_t most) {
  ReduceShape& shape = reduction.shape;
  const int64_t wanted = divide_up<int64_t>(context.device.multiprocessors * 4, grid.blocks.x);
  const bool is_long = shape.reduced.size > max_parts;  // never true for the results of parts
  const int64_t parts = is_long ? std::clamp<int64_t>(std::min(wanted, most), 1, max_parts) : 1;
  shape.part = divide_up(shape.reduced.size, parts * pack_elements) * pack_elements;
  grid.blocks.y = divide_up(shape.reduced.size, shape.part);
  if (grid.blocks.y == 1) return launch(context, kernel, grid, reduction.x, reduction.output, shape);

  const Scratch results(context, size_t(shape.outputs.size * grid.blocks.y) * 4);
  ReduceLaunch rest = reduction;
  rest.x = results.as<void>();
  rest.shape.x_type = reduction.as_float ? ElementType::float32 : ElementType::int32;
  rest.shape.outputs = make_line(shape.outputs.size, 1);
  rest.shape.reduced = make_line(grid.blocks.y, shape.outputs.size);
  if (shape.operation == Reduction::mean) shape.operation = Reduction::sum;
  shape.output_type = rest.shape.x_type;
  launch(context, kernel, grid, reduction.x, results.as<void>(), shape);
  reduce_slices(context, rest);
}

template <typename Value>
void reduce_rows(const LaunchContext& context, ReduceLaunch& reduction) {
  const ReduceShape& shape = reduction.shape;
  const bool in_packs = has_packs(shape.reduced) && steps_in_packs(shape.outputs);
  const int threads = row_threads(std::min(shape.reduced.size, shortest_row_part), 16, 512);
  launch_parts(context, reduction, in_packs ? reduce_rows_kernel<Value, pack_elements> : reduce_rows_kernel<Value, 1>,
               row_grid(shape.outputs.size, threads), shape.reduced.size / shortest_row_part);
}

template <typename Value>
void reduce_columns(const LaunchContext& context, ReduceLaunch& reduction) {
  const ReduceShape& shape = reduction.shape;
  const bool in_packs = has_packs(shape.outputs) && steps_in_packs(shape.reduced);
  const int64_t columns = in_packs ? shape.outputs.size / pack_elements : shape.outputs.size;
  unsigned rows = 1;
  while (rows < reduce_threads && rows * short_slice < shape.reduced.size) rows *= 2;
  unsigned width = reduce_threads / rows;
  while (width < 32 && width < columns) {  // adjacent lanes, for coalesced loads, matter more
    width *= 2;
    rows /= 2;
  }
  launch_parts(context, reduction,
               in_packs ? reduce_columns_kernel<Value, pack_elements> : reduce_columns_kernel<Value, 1>,
               {.blocks = divide_up<int64_t>(columns, width), .threads = dim3(width, rows)},
               shape.reduced.size / (rows * shortest_column_part));
}

void reduce_slices(const LaunchContext& context, ReduceLaunch reduction) {
  const ReduceShape& shape = reduction.shape;
  const bool by_rows = shape.reduced.strides[0][0] == 1 && shape.reduced.size > short_slice;
  with_compute_type(reduction.as_float, [&](auto tag) {
    using Value = typename decltype(tag)::type;
    if (by_rows) return reduce_rows<Value>(context, reduction);
    reduce_columns<Value>(context, reduction);
  });
}

}  // namespace

/// Reduces a tensor over any axes.
void reduce(const LaunchContext& context, const ReduceParams& params) {
  if (size_of(params.output_rank, params.output_shape) == 0) return;
  const int64_t count = size_of(params.reduce_rank, params.reduce_shape);
  if (count == 0) return;
  const ReduceShape shape{
      .operation = params.operation,
      .x_type = params.x.type,
      .output_type = params.output.type,
      .outputs = make_walk<1>(params.output_rank, params.output_shape, {params.output_strides}),
      .reduced = make_walk<1>(params.reduce_rank, params.reduce_shape, {params.reduce_strides}),
      .part = 0,
      .count = float(count),
  };
  const bool as_float = is_float(params.x.type) || is_float(params.output.type);
  reduce_slices(context, {params.x.data, params.output.data, shape, as_float});
}

ATTENTION_OPERATION(reduce, ReduceParams, x, output, operation, output_rank, reduce_rank, output_shape,
                    output_strides, reduce_shape, reduce_strides)

}  // namespace attention
