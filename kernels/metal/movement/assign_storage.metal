// Overwrites a tensor's elements with another's, converted to the destination's storage type.
#include "movement/convert_elements.h"

template <typename From, typename To>
[[kernel]] void assign_storage(device To* destination [[buffer(0)]],
                               device const From* source [[buffer(1)]],
                               constant ConvertElementsParams& params [[buffer(2)]],
                               uint position [[thread_position_in_grid]],
                               uint grid_size [[threads_per_grid]]) {
  convert_elements(destination, source, params.count, position, grid_size);
}

#define instantiate_assign_storage(from, to)                                                       \
  template [[host_name("assign_storage_" #from "_" #to)]] [[kernel]] void assign_storage<from, to>( \
      device to*, device const from*, constant ConvertElementsParams&, uint, uint);

#define instantiate_assign_storage_from(from) \
  instantiate_assign_storage(from, float)     \
  instantiate_assign_storage(from, half)      \
  instantiate_assign_storage(from, bfloat)

instantiate_assign_storage_from(float)
instantiate_assign_storage_from(half)
instantiate_assign_storage_from(bfloat)
instantiate_assign_storage(int, int)
