#include "movement/one_hot.h"

#include "elementwise/elementwise.h"
#include "movement/one_hot.cuh"

namespace attention {

void one_hot(const LaunchContext& context, const OneHotParams& params) {
  const int64_t size = params.count * params.depth;
  if (size == 0) return;
  launch(context, one_hot_kernel, elementwise_grid(size, pack_elements), params.indices.as<int>(), params.output.data,
         params.output.type, size, Divisor(params.depth, size), params.on, params.off);
}

}  // namespace attention
