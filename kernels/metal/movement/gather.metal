// output[batch, outer, i, :] = x[batch, outer, indices[batch, i], :]
#include <metal_stdlib>

using namespace metal;

struct GatherParams {
  uint outer;
  uint axis_length;   // of x
  uint index_count;   // per batch
  uint slice_length;
  uint size;          // of the output
};

// An index outside the axis gives zeros, as in tfjs's own GPU backends, so nothing outside x is read.
template <typename Bits>
[[kernel]] void gather(device const Bits* x [[buffer(0)]],
                       device const int* indices [[buffer(1)]],
                       device Bits* output [[buffer(2)]],
                       constant GatherParams& params [[buffer(3)]],
                       uint position [[thread_position_in_grid]],
                       uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const uint element = i % params.slice_length;
    const uint row = i / params.slice_length;
    const uint slot = row % params.index_count;
    const uint outer = row / params.index_count;  // batch * params.outer + outer
    const int index = indices[size_t(outer / params.outer) * params.index_count + slot];
    const bool inside = index >= 0 && uint(index) < params.axis_length;
    output[i] = inside ? x[(size_t(outer) * params.axis_length + uint(index)) * params.slice_length + element] : Bits(0);
  }
}

#define instantiate_gather(type, bytes)                                   \
  template [[host_name("gather_" #bytes)]] [[kernel]] void gather<type>(  \
      device const type*, device const int*, device type*, constant GatherParams&, uint, uint);

instantiate_gather(uchar, 1)
instantiate_gather(ushort, 2)
instantiate_gather(uint, 4)
