#include <algorithm>

#include "common/operation.h"
#include "reduction/arg_reduce.cuh"
#include "elementwise/elementwise.h"

namespace attention {

struct ArgReduceParams {
  Operand x;                 // [rows, length]
  TypedOperand<int> output;  // [rows] int32
  int64_t rows;
  int64_t length;
  bool32 smallest;
};

namespace {

constexpr int64_t shortest_part = 4096;
constexpr int64_t max_parts = 256;

}  // namespace

/// Finds the position of each row's largest or smallest element; the first of equal ones.
void arg_reduce(const LaunchContext& context, const ArgReduceParams& params) {
  if (params.rows == 0 || params.length == 0) return;
  if (params.length > INT32_MAX) throw DeviceError("ERR_RANGE", "positions in rows this long do not fit in int32");
  Grid grid = row_grid(params.rows, row_threads(std::min(params.length, shortest_part), 8, 512));
  const int64_t wanted = divide_up<int64_t>(context.device.multiprocessors * 4, grid.blocks.x);
  const int64_t parts = std::clamp<int64_t>(std::min(wanted, params.length / shortest_part), 1, max_parts);
  grid.blocks.y = parts;
  const int64_t part = divide_up(params.length, parts);
  const Scratch keys(context, parts == 1 ? 0 : size_t(params.rows * parts) * sizeof(uint64_t));
  launch(context, arg_reduce_kernel, grid, params.x.data, params.x.type, params.output,
         keys.as<uint64_t>(), params.rows, params.length, part, params.smallest);
  if (parts == 1) return;
  launch(context, arg_reduce_parts_kernel, elementwise_grid(params.rows, 1), keys.as<uint64_t>(),
         params.output, params.rows, int(parts));
}

ATTENTION_OPERATION(arg_reduce, ArgReduceParams, x, output, rows, length, smallest)

}  // namespace attention
