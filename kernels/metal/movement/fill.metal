// output[i] = start + i * step; a constant has step 0.
#include <metal_stdlib>
#include "common/element.h"

using namespace metal;

constant int output_type [[function_constant(0)]];

struct FillParams {
  float start;
  float step;
  int int_start;
  int int_step;
  uint size;
};

[[kernel]] void fill(device uchar* output [[buffer(0)]],
                     constant FillParams& params [[buffer(1)]],
                     uint position [[thread_position_in_grid]],
                     uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    if (ElementType(output_type) == ElementType::int32) {
      store_element(output, output_type, i, int(uint(params.int_start) + uint(params.int_step) * i));
    } else {
      store_element(output, output_type, i, params.start + params.step * float(i));
    }
  }
}
