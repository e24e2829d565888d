#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "elementwise/unary.cuh"

namespace attention {

struct UnaryParams {
  Operand x;
  Operand output;
  UnaryOperation operation;
  int64_t size;
  float alpha;  // an attribute: a slope, or the lower bound
  float beta;   // an attribute: the upper bound
};

/// Applies a function to every element.
void unary(const LaunchContext& context, const UnaryParams& params) {
  if (params.size == 0) return;
  with_compute_type(is_float(params.x.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, unary_kernel<Value>, elementwise_grid(params.size, pack_elements), params.operation, params.x.data,
           params.x.type, params.output.data, params.output.type, params.size, params.alpha, params.beta);
  });
}

ATTENTION_OPERATION(unary, UnaryParams, x, output, operation, size, alpha, beta)

}  // namespace attention
