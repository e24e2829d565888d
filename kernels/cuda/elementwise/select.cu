#include "elementwise/select.h"

#include "elementwise/elementwise.h"
#include "elementwise/select.cuh"

namespace attention {

void select(const LaunchContext& context, const SelectParams& params) {
  if (params.size == 0) return;
  with_compute_type(is_float(params.t.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, select_kernel<Value>, elementwise_grid(params.size, pack_elements), params.condition.as<uint8_t>(),
           params.t.data, params.t.type, params.e.data, params.e.type, params.output.data, params.output.type,
           params.size, Divisor(params.row_length, params.size));
  });
}

}  // namespace attention
