#pragma once

#include "elementwise/gated_activation.h"

namespace attention {

/// gelu(gate) * up, with the exact error function or the tanh approximation.
void gelu_and_mul(const LaunchContext& context, const GatedActivationParams& params, bool tanh_approximation);

}  // namespace attention
