// condition ? t : e, elementwise. A condition with fewer elements selects whole rows.
#include <metal_stdlib>
#include "common/element.h"

using namespace metal;

constant int t_type [[function_constant(0)]];
constant int e_type [[function_constant(1)]];
constant int output_type [[function_constant(2)]];

struct SelectParams {
  uint size;
  uint row_length;  // elements per condition
};

template <typename Value>
[[kernel]] void select_elements(device const uchar* condition [[buffer(0)]],
                       device const uchar* t [[buffer(1)]],
                       device const uchar* e [[buffer(2)]],
                       device uchar* output [[buffer(3)]],
                       constant SelectParams& params [[buffer(4)]],
                       uint position [[thread_position_in_grid]],
                       uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const bool chosen = condition[i / params.row_length] != 0;
    const Value value = chosen ? load_element<Value>(t, t_type, i) : load_element<Value>(e, e_type, i);
    store_element(output, output_type, i, value);
  }
}

#define instantiate_select(type)                                        \
  template [[host_name("select_elements_" #type)]] [[kernel]] void select_elements<type>( \
      device const uchar*, device const uchar*, device const uchar*, device uchar*, constant SelectParams&, uint, uint);

instantiate_select(float)
instantiate_select(int)
