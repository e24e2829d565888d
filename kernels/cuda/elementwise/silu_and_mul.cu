#include "elementwise/gated_activation.cuh"

namespace attention {

/// Computes silu(gate) * up.
void silu_and_mul(const LaunchContext& context, const GatedActivationParams& params) {
  gated_activation<Silu>(context, params);
}

ATTENTION_OPERATION(silu_and_mul, GatedActivationParams, x, output, rows, width)

}  // namespace attention
