// output[i, d] = d == indices[i] ? on : off
#include <metal_stdlib>
#include "common/element.h"

using namespace metal;

constant int output_type [[function_constant(0)]];

struct OneHotParams {
  uint depth;
  uint size;  // of the output
  float on;
  float off;
};

[[kernel]] void one_hot(device const int* indices [[buffer(0)]],
                        device uchar* output [[buffer(1)]],
                        constant OneHotParams& params [[buffer(2)]],
                        uint position [[thread_position_in_grid]],
                        uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const int index = indices[i / params.depth];
    const bool on = index >= 0 && uint(index) == i % params.depth;
    store_element(output, output_type, i, on ? params.on : params.off);
  }
}
