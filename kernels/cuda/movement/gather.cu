#include "movement/gather.h"

#include "common/bits.h"
#include "elementwise/elementwise.h"
#include "movement/gather.cuh"

namespace attention {

void gather(const LaunchContext& context, const GatherParams& params) {
  const int64_t elements = params.batch * params.outer * params.index_count * params.slice_length;
  if (elements == 0) return;
  if (params.strides.size() > size_t(max_rank)) {
    throw DeviceError("ERR_RANGE", "expected indices of at most 6 numbers, received " +
                                       std::to_string(params.strides.size()));
  }
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
      .index_rank = int(params.strides.size()),
      .strides = {},
  };
  for (size_t axis = 0; axis < params.strides.size(); axis++) shape.strides[axis] = params.strides[axis];
  with_bits(access, [&](auto tag) {
    using Bits = typename decltype(tag)::type;
    launch(context, gather_kernel<Bits>, elementwise_grid(size, gather_elements), params.x.as<Bits>(),
           params.indices.as<int>(), params.output.as<Bits>(), shape);
  });
}

}  // namespace attention
