#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "movement/fill.cuh"

namespace attention {

struct FillParams {
  Operand output;
  int64_t size;
  float start;  // if the output is float or bool
  float step;
  uint32_t int_start;  // if the output is int32
  uint32_t int_step;
};

/// Computes output[i] = start + i * step. A constant has step 0.
void fill(const LaunchContext& context, const FillParams& params) {
  launch(context, fill_kernel, elementwise_grid(params.size, pack_elements), params.output.data, params.output.type,
         params.size, params.start, params.step, params.int_start, params.int_step);
}

ATTENTION_OPERATION(fill, FillParams, output, size, start, step, int_start, int_step)

}  // namespace attention
