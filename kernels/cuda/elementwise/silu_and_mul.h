#pragma once

#include "elementwise/gated_activation.h"

namespace attention {

/// silu(gate) * up.
void silu_and_mul(const LaunchContext& context, const GatedActivationParams& params);

}  // namespace attention
