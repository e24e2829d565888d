#include "movement/fill.h"

#include "elementwise/elementwise.h"
#include "movement/fill.cuh"

namespace attention {

void fill(const LaunchContext& context, const FillParams& params) {
  launch(context, fill_kernel, elementwise_grid(params.size, pack_elements), params.output.data, params.output.type,
         params.size, params.start, params.step, params.int_start, params.int_step);
}

}  // namespace attention
