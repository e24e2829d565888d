// Copies between strided views: slices, concatenation, transposes, tiles, reversals and, if the types differ, casts.
#include <metal_stdlib>
#include "common/element.h"
#include "common/strides.h"

using namespace metal;

constant int x_type [[function_constant(0)]];
constant int output_type [[function_constant(1)]];

struct CopyParams {
  long x_strides[max_rank];
  long output_strides[max_rank];
  ulong x_offset;
  ulong output_offset;
  uint shape[max_rank];
  uint rank;
  uint size;
};

// Copies elements of equal size, bit for bit.
template <typename Bits>
[[kernel]] void copy(device const Bits* x [[buffer(0)]],
                     device Bits* output [[buffer(1)]],
                     constant CopyParams& params [[buffer(2)]],
                     uint position [[thread_position_in_grid]],
                     uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const ulong from = params.x_offset + strided_offset(i, params.rank, params.shape, params.x_strides);
    const ulong to = params.output_offset + strided_offset(i, params.rank, params.shape, params.output_strides);
    output[to] = x[from];
  }
}

template <typename Value>
[[kernel]] void convert(device const uchar* x [[buffer(0)]],
                        device uchar* output [[buffer(1)]],
                        constant CopyParams& params [[buffer(2)]],
                        uint position [[thread_position_in_grid]],
                        uint threads [[threads_per_grid]]) {
  for (uint i = position; i < params.size; i += threads) {
    const ulong from = params.x_offset + strided_offset(i, params.rank, params.shape, params.x_strides);
    const ulong to = params.output_offset + strided_offset(i, params.rank, params.shape, params.output_strides);
    store_element(output, output_type, to, load_element<Value>(x, x_type, from));
  }
}

#define instantiate_copy(type, bytes)                                     \
  template [[host_name("copy_" #bytes)]] [[kernel]] void copy<type>(      \
      device const type*, device type*, constant CopyParams&, uint, uint);

#define instantiate_convert(type)                                         \
  template [[host_name("convert_" #type)]] [[kernel]] void convert<type>( \
      device const uchar*, device uchar*, constant CopyParams&, uint, uint);

instantiate_copy(uchar, 1)
instantiate_copy(ushort, 2)
instantiate_copy(uint, 4)
instantiate_convert(float)
instantiate_convert(int)
