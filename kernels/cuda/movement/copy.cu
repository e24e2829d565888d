#include "movement/copy.h"

#include <optional>

#include "common/bits.h"
#include "movement/copy.cuh"
#include "elementwise/elementwise.h"

namespace attention {
namespace {

constexpr int shortest_side = 8;  // shorter transposes do not use tiles

const char* start_of(const Operand& operand, int64_t offset) {
  return operand.as<char>() + offset * element_bytes(operand.type);
}

/// If rows are contiguous in both tensors, rewrites the walk to wider elements. Returns their size in bytes.
int widen(Walk<2>& walk, int bytes, const char* x, const char* output) {
  if (walk.strides[0][0] != 1 || walk.strides[1][0] != 1) return bytes;
  int wide = widest_access(bytes, {walk.shape[0] * bytes, int64_t(uintptr_t(x)), int64_t(uintptr_t(output))});
  for (int axis = 1; axis < walk.rank; axis++) {
    wide = widest_access(bytes, {wide, walk.strides[0][axis] * bytes, walk.strides[1][axis] * bytes});
  }
  const int factor = wide / bytes;
  walk.size /= factor;
  walk.wide = walk.size > INT32_MAX;
  walk.shape[0] /= factor;
  for (int axis = 0; axis < walk.rank; axis++) {
    if (!walk.wide) walk.divisors[axis] = FastDivisor(uint32_t(walk.shape[axis]));
    if (axis == 0) continue;
    walk.strides[0][axis] /= factor;
    walk.strides[1][axis] /= factor;
  }
  return wide;
}

/// `axes` without `axis` and the last one.
std::array<int64_t, max_rank> without(const Axes& axes, int rank, int axis) {
  std::array<int64_t, max_rank> others{};
  for (int from = 0, to = 0; from < rank - 1; from++) {
    if (from != axis) others[to++] = axes[from];
  }
  return others;
}

/// If the copy is a transpose, returns its shape.
std::optional<TransposeShape> find_transpose(const CopyParams& params) {
  const int last = params.rank - 1;
  if (last < 1) return {};
  if (params.output_strides[last] != 1 || params.x_strides[last] == 1) return {};
  int axis = 0;
  while (axis < last && params.x_strides[axis] != 1) axis++;
  if (axis == last || params.shape[axis] < shortest_side || params.shape[last] < shortest_side) return {};
  const int64_t output_tiles = divide_up<int64_t>(params.shape[last], tile_length);
  const int64_t x_tiles = divide_up<int64_t>(params.shape[axis], tile_length);
  const auto outer = without(params.shape, params.rank, axis);
  const auto x_strides = without(params.x_strides, params.rank, axis);
  const auto output_strides = without(params.output_strides, params.rank, axis);
  TransposeShape shape{
      .outer = make_walk<2>(params.rank - 2, outer.data(), {x_strides.data(), output_strides.data()}),
      .output_length = params.shape[last],
      .x_stride = params.x_strides[last],
      .x_length = params.shape[axis],
      .output_stride = params.output_strides[axis],
  };
  const int64_t blocks = shape.outer.size * output_tiles * x_tiles;
  if (blocks > INT32_MAX) return {};
  shape.output_tiles = Divisor(output_tiles, blocks);
  shape.x_tiles = Divisor(x_tiles, blocks);
  return shape;
}

void copy_bits(const LaunchContext& context, const CopyParams& params, Walk<2> walk) {
  const char* x = start_of(params.x, params.x_offset);
  char* output = const_cast<char*>(start_of(params.output, params.output_offset));
  const int bytes = element_bytes(params.x.type);
  if (const auto shape = find_transpose(params)) {
    return with_bits(bytes, [&](auto tag) {
      using Bits = typename decltype(tag)::type;
      if constexpr (sizeof(Bits) <= 4) {
        launch(context, transpose_kernel<Bits>,
               {.blocks = shape->outer.size * shape->output_tiles.divisor * shape->x_tiles.divisor,
                .threads = dim3(tile_length, tile_rows)},
               reinterpret_cast<const Bits*>(x), reinterpret_cast<Bits*>(output), *shape);
      }
    });
  }
  with_bits(widen(walk, bytes, x, output), [&](auto tag) {
    using Bits = typename decltype(tag)::type;
    launch(context, copy_kernel<Bits>, elementwise_grid(walk.size, copy_elements), reinterpret_cast<const Bits*>(x),
           reinterpret_cast<Bits*>(output), walk);
  });
}

bool has_packs(const Walk<2>& walk, int tensor, int64_t offset) {
  return walk.strides[tensor][0] == 1 && offset % pack_elements == 0 && is_packed(walk, tensor, pack_elements);
}

}  // namespace

void copy(const LaunchContext& context, const CopyParams& params) {
  if (size_of(params.rank, params.shape) == 0) return;
  const auto walk = make_walk<2>(params.rank, params.shape, {params.x_strides, params.output_strides});
  if (params.x.type == params.output.type) return copy_bits(context, params, walk);
  const bool in_packs = has_packs(walk, 0, params.x_offset) && has_packs(walk, 1, params.output_offset);
  with_compute_type(is_float(params.x.type) || is_float(params.output.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, in_packs ? convert_packs_kernel<Value> : convert_elements_kernel<Value>,
           elementwise_grid(walk.size, pack_elements), start_of(params.x, params.x_offset), params.x.type,
           const_cast<char*>(start_of(params.output, params.output_offset)), params.output.type, walk);
  });
}

ATTENTION_OPERATION(copy, CopyParams, x, output, rank, shape, x_strides, output_strides, x_offset, output_offset)

}  // namespace attention
