// silu(gate) * up for rows [gate | up]: one row of threadgroups a row of x.
#include <metal_stdlib>

using namespace metal;

struct SiluAndMulParams {
  uint width;  // of the output
};

constant constexpr uint elements_per_thread = 4;

template <typename T>
[[kernel]] void silu_and_mul(device const T* x [[buffer(0)]],
                             device T* output [[buffer(1)]],
                             constant SiluAndMulParams& params [[buffer(2)]],
                             uint2 group [[threadgroup_position_in_grid]],
                             uint2 thread_index [[thread_position_in_threadgroup]],
                             uint2 group_size [[threads_per_threadgroup]]) {
  const size_t row = group.y;
  device const T* gate = x + 2 * row * params.width;
  device const T* up = gate + params.width;
  device T* out = output + row * params.width;
  uint i = group.x * group_size.x * elements_per_thread + thread_index.x;
  for (uint n = 0; n < elements_per_thread && i < params.width; n++, i += group_size.x) {
    const float g = float(gate[i]);
    out[i] = T(g / (1.0f + precise::exp(-g)) * float(up[i]));
  }
}

#define instantiate_silu_and_mul(type)                                                          \
  template [[host_name("silu_and_mul_" #type)]] [[kernel]] void silu_and_mul<type>(             \
      device const type*, device type*, constant SiluAndMulParams&, uint2, uint2, uint2);

instantiate_silu_and_mul(float)
instantiate_silu_and_mul(half)
instantiate_silu_and_mul(bfloat)
