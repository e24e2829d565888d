#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "movement/one_hot.cuh"

namespace attention {

struct OneHotParams {
  TypedOperand<int> indices;  // [count] int32
  Operand output;             // [count, depth]
  int64_t count;
  int64_t depth;
  float on;
  float off;
};

/// Computes output[i, d] = d == indices[i] ? on : off.
void one_hot(const LaunchContext& context, const OneHotParams& params) {
  const int64_t size = params.count * params.depth;
  if (size == 0) return;
  launch(context, one_hot_kernel, elementwise_grid(size, pack_elements), params.indices, params.output.data,
         params.output.type, size, Divisor(params.depth, size), params.on, params.off);
}

ATTENTION_OPERATION(one_hot, OneHotParams, indices, output, count, depth, on, off)

}  // namespace attention
