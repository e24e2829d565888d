// gelu(gate) * up for rows [gate | up].
#include "elementwise/gated_activation.h"

constant bool vectorized [[function_constant(0)]];
constant bool tanh_approximation [[function_constant(1)]];

template <typename T>
[[kernel]] void gelu_and_mul(device const T* x [[buffer(0)]],
                             device T* output [[buffer(1)]],
                             constant GatedActivationParams& params [[buffer(2)]],
                             uint2 position [[thread_position_in_grid]],
                             uint2 grid_size [[threads_per_grid]]) {
  if (tanh_approximation) {
    gated_activation<GeluTanh>(output, x, params.width, vectorized, position, grid_size);
  } else {
    gated_activation<Gelu>(output, x, params.width, vectorized, position, grid_size);
  }
}

#define instantiate_gelu_and_mul(type)                                                       \
  template [[host_name("gelu_and_mul_" #type)]] [[kernel]] void gelu_and_mul<type>(          \
      device const type*, device type*, constant GatedActivationParams&, uint2, uint2);

instantiate_gelu_and_mul(float)
instantiate_gelu_and_mul(half)
instantiate_gelu_and_mul(bfloat)
