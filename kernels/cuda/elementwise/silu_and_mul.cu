#include "elementwise/silu_and_mul.h"

#include "elementwise/gated_activation.cuh"

namespace attention {

void silu_and_mul(const LaunchContext& context, const GatedActivationParams& params) {
  gated_activation<Silu>(context, params);
}

}  // namespace attention
