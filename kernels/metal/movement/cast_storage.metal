// Converts a tensor to another storage type.
#include "movement/convert_elements.h"

template <typename From, typename To>
[[kernel]] void cast_storage(device const From* x [[buffer(0)]],
                             device To* output [[buffer(1)]],
                             constant ConvertElementsParams& params [[buffer(2)]],
                             uint position [[thread_position_in_grid]],
                             uint grid_size [[threads_per_grid]]) {
  convert_elements(output, x, params.count, position, grid_size);
}

#define instantiate_cast_storage(from, to)                                                     \
  template [[host_name("cast_storage_" #from "_" #to)]] [[kernel]] void cast_storage<from, to>( \
      device const from*, device to*, constant ConvertElementsParams&, uint, uint);

#define instantiate_cast_storage_from(from) \
  instantiate_cast_storage(from, float)     \
  instantiate_cast_storage(from, half)      \
  instantiate_cast_storage(from, bfloat)

instantiate_cast_storage_from(float)
instantiate_cast_storage_from(half)
instantiate_cast_storage_from(bfloat)
