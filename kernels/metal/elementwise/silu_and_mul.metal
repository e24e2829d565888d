// silu(gate) * up for rows [gate | up].
#include "elementwise/gated_activation.h"

constant bool vectorized [[function_constant(0)]];

template <typename T>
[[kernel]] void silu_and_mul(device const T* x [[buffer(0)]],
                             device T* output [[buffer(1)]],
                             constant GatedActivationParams& params [[buffer(2)]],
                             uint2 position [[thread_position_in_grid]],
                             uint2 grid_size [[threads_per_grid]]) {
  gated_activation<Silu>(output, x, params.width, vectorized, position, grid_size);
}

#define instantiate_silu_and_mul(type)                                                       \
  template [[host_name("silu_and_mul_" #type)]] [[kernel]] void silu_and_mul<type>(          \
      device const type*, device type*, constant GatedActivationParams&, uint2, uint2);

instantiate_silu_and_mul(float)
instantiate_silu_and_mul(half)
instantiate_silu_and_mul(bfloat)
