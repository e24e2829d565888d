// Writes slices to where the indices say, deterministically: (slice, update) pairs are packed into 64-bit keys and
// sorted, so that updates of the same slice are adjacent and in order, and one thread per element applies them in turn.
// Updates whose index is outside the output are ignored.
#include <metal_stdlib>
#include "reduction/bitonic_sort.h"
#include "common/element.h"
#include "common/strides.h"

using namespace metal;

constant int output_type [[function_constant(0)]];
constant bool adds [[function_constant(1)]];  // updates of the same slice are summed; else the last one wins

struct ScatterParams {
  ulong strides[max_rank];  // of the indexed axes, in slices
  uint index_rank;
  uint count;
  uint slices;
  uint slice_length;
  uint run;  // keys that one threadgroup sorts
};

struct SortParams {
  uint run;
  uint pairs;
  uint size;
  uint stride;
};

constant constexpr uint longest_run = 2048;  // as in scatter.ts
constant constexpr uint update_bits = 31;
constant constexpr ulong no_key = ~ulong(0);  // padding, and updates outside the output; sorts last

inline uint slice_of(ulong key) { return uint(key >> update_bits); }
inline uint update_of(ulong key) { return uint(key) & 0x7fffffffu; }

inline float add(float a, float b) { return a + b; }
inline int add(int a, int b) { return int(uint(a) + uint(b)); }

// Makes the keys and sorts them in runs.
[[kernel]] void scatter_keys(device const int* indices [[buffer(0)]],
                             device ulong* keys [[buffer(1)]],
                             constant ScatterParams& params [[buffer(2)]],
                             uint group [[threadgroup_position_in_grid]],
                             uint thread_index [[thread_index_in_threadgroup]],
                             uint threads [[threads_per_threadgroup]]) {
  threadgroup ulong own[longest_run];
  const uint first = group * params.run;
  for (uint i = thread_index; i < params.run; i += threads) {
    const uint update = first + i;
    long slice = -1;
    if (update < params.count) {
      slice = 0;
      for (uint axis = 0; axis < params.index_rank; axis++) {
        slice += long(indices[size_t(update) * params.index_rank + axis]) * long(params.strides[axis]);
      }
    }
    const bool inside = slice >= 0 && slice < long(params.slices);
    own[i] = inside ? ulong(slice) << update_bits | ulong(update) : no_key;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sort_keys(own, first, params.run, thread_index, threads);
  for (uint i = thread_index; i < params.run; i += threads) keys[first + i] = own[i];
}

// One step of the sort with a stride that exceeds a threadgroup's run. One thread per pair of keys.
[[kernel]] void scatter_sort_step(device ulong* keys [[buffer(0)]],
                                  constant SortParams& params [[buffer(1)]],
                                  uint pair [[thread_position_in_grid]]) {
  if (pair < params.pairs) order_pair(keys, 0, pair, params.size, params.stride);
}

// The remaining steps of runs of `size`, in threadgroup memory.
[[kernel]] void scatter_sort_merge(device ulong* keys [[buffer(0)]],
                                   constant SortParams& params [[buffer(1)]],
                                   uint group [[threadgroup_position_in_grid]],
                                   uint thread_index [[thread_index_in_threadgroup]],
                                   uint threads [[threads_per_threadgroup]]) {
  threadgroup ulong own[longest_run];
  const uint first = group * params.run;
  for (uint i = thread_index; i < params.run; i += threads) own[i] = keys[first + i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  merge_runs(own, first, params.run, params.size, params.run / 2, thread_index, threads);
  for (uint i = thread_index; i < params.run; i += threads) keys[first + i] = own[i];
}

// Threads along x share out the elements of a slice. Along y there is a thread per key; only the one whose key starts a
// slice (if updates are summed) or ends it (else) writes the slice.
template <typename Value>
[[kernel]] void scatter(device const ulong* keys [[buffer(0)]],
                        device const uchar* updates [[buffer(1)]],
                        device uchar* output [[buffer(2)]],
                        constant ScatterParams& params [[buffer(3)]],
                        uint2 position [[thread_position_in_grid]],
                        uint2 threads [[threads_per_grid]]) {
  const uint place = position.y;
  if (place >= params.count || keys[place] == no_key) return;
  const uint slice = slice_of(keys[place]);
  // When summing, the first update's thread adds up all of them; otherwise only the last update counts.
  const bool has_neighbour = adds ? place > 0 : place + 1 < params.count;
  if (has_neighbour) {
    const ulong neighbour = keys[adds ? place - 1 : place + 1];
    if (neighbour != no_key && slice_of(neighbour) == slice) return;
  }
  for (uint element = position.x; element < params.slice_length; element += threads.x) {
    Value value = Value(0);
    for (uint next = place; next < params.count && keys[next] != no_key && slice_of(keys[next]) == slice; next++) {
      const size_t from = size_t(update_of(keys[next])) * params.slice_length + element;
      const Value update = load_element<Value>(updates, output_type, from);
      value = adds ? add(value, update) : update;
    }
    store_element(output, output_type, size_t(slice) * params.slice_length + element, value);
  }
}

#define instantiate_scatter(type)                                          \
  template [[host_name("scatter_" #type)]] [[kernel]] void scatter<type>(  \
      device const ulong*, device const uchar*, device uchar*, constant ScatterParams&, uint2, uint2);

instantiate_scatter(float)
instantiate_scatter(int)
