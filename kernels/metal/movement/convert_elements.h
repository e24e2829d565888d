#pragma once
#include "common/pack.h"

/// Parameters of cast_storage and assign_storage.
struct ConvertElementsParams {
  ulong count;
};

/// Converts `source` to `destination` 8 elements at a time, starting with pack number `position`. The two may be the
/// same memory.
template <typename To, typename From>
inline void convert_elements(device To* destination, device const From* source, ulong count, ulong position,
                             ulong num_threads) {
  constexpr int N = 8;
  for (ulong i = position * N; i < count; i += num_threads * N) {
    if (i + N <= count) {
      To elements[N];
      load_pack<N>(elements, source + i);
      store_pack<N>(destination + i, elements);
    } else {
      for (ulong j = i; j < count; j++) destination[j] = to_storage<To>(source[j]);
    }
  }
}
