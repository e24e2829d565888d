#include "elementwise/gelu_and_mul.h"

#include "elementwise/gated_activation.cuh"

namespace attention {

void gelu_and_mul(const LaunchContext& context, const GatedActivationParams& params, bool tanh_approximation) {
  if (tanh_approximation) {
    gated_activation<GeluTanh>(context, params);
  } else {
    gated_activation<Gelu>(context, params);
  }
}

}  // namespace attention
