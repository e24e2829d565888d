#include <algorithm>

#include "common/bits.h"
#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "movement/gather.cuh"

namespace attention {

struct GatherParams {
  Operand x;                  // [batch, outer, axis_length, slice_length]
  TypedOperand<int> indices;  // [batch, index_count, index_rank] int32
  Operand output;             // [batch, outer, index_count, slice_length] like x
  int index_rank;             // coordinates per index
  Axes strides;               // of the coordinates, in slices; {1} for a position along the axis
  int64_t batch;
  int64_t outer;
  int64_t axis_length;
  int64_t index_count;  // per batch
  int64_t slice_length;
};

/// Gathers slices of x at indices; zeros for an index outside the axis.
void gather(const LaunchContext& context, const GatherParams& params) {
  const int64_t elements = params.batch * params.outer * params.index_count * params.slice_length;
  if (elements == 0) return;
  check_rank(params.index_rank);
  const int bytes = element_bytes(params.x.type);
  const int access = widest_access(bytes, {params.slice_length * bytes});
  const int factor = access / bytes;
  const int64_t size = elements / factor;
  GatherShape shape{
      .size = size,
      .slice_length = Divisor(params.slice_length / factor, size),
      .index_count = Divisor(params.index_count, size),
      .outer = Divisor(params.outer, size),
      .axis_length = params.axis_length,
      .index_rank = params.index_rank,
      .strides = {},
  };
  std::copy(params.strides, params.strides + params.index_rank, shape.strides);
  with_bits(access, [&](auto tag) {
    using Bits = typename decltype(tag)::type;
    launch(context, gather_kernel<Bits>, elementwise_grid(size, gather_elements), params.x.as<Bits>(),
           params.indices, params.output.as<Bits>(), shape);
  });
}

ATTENTION_OPERATION(gather, GatherParams, x, indices, output, index_rank, strides, batch, outer, axis_length,
                    index_count, slice_length)

}  // namespace attention
