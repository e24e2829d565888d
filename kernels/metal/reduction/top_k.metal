// The k largest elements of each row, in descending order; ties go to the first. One threadgroup per row, with one pass
// over the row for each of the k, which must be few.
#include <metal_stdlib>
#include "reduction/order.h"

using namespace metal;

constant int x_type [[function_constant(0)]];

struct TopKParams {
  uint length;
  uint k;
};

[[kernel]] void top_k(device const uchar* x [[buffer(0)]],
                      device uchar* values [[buffer(1)]],
                      device int* indices [[buffer(2)]],
                      constant TopKParams& params [[buffer(3)]],
                      uint row [[threadgroup_position_in_grid]],
                      uint thread_index [[thread_index_in_threadgroup]],
                      uint threads [[threads_per_threadgroup]]) {
  threadgroup uint best_orders[256];
  threadgroup uint best_positions[256];
  const ulong base = ulong(row) * params.length;
  uint last_order = 0;
  uint last_position = 0;
  for (uint n = 0; n < params.k; n++) {
    // Finds the best element that comes after the last one found.
    uint best_order = 0;
    uint best_position = 0xffffffffu;
    for (uint i = thread_index; i < params.length; i += threads) {
      const uint order = load_order(x, x_type, base + i);
      const bool open = n == 0 || order < last_order || (order == last_order && i > last_position);
      if (open && (best_position == 0xffffffffu || order > best_order)) {
        best_order = order;
        best_position = i;
      }
    }
    best_orders[thread_index] = best_order;
    best_positions[thread_index] = best_position;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = 0; i < threads; i++) {
      const bool found = best_positions[i] != 0xffffffffu;
      const bool better = best_position == 0xffffffffu || best_orders[i] > best_order ||
                          (best_orders[i] == best_order && best_positions[i] < best_position);
      if (found && better) {
        best_order = best_orders[i];
        best_position = best_positions[i];
      }
    }
    last_order = best_order;
    last_position = best_position;
    if (thread_index == 0) {
      const ulong to = ulong(row) * params.k + n;
      indices[to] = int(best_position);
      if (is_integral(x_type)) {
        store_element(values, x_type, to, load_element<int>(x, x_type, base + best_position));
      } else {
        store_element(values, x_type, to, load_element<float>(x, x_type, base + best_position));
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // before the next pass overwrites what was found
  }
}
