// The position of the largest or smallest element along the last axis; ties go to the first. One threadgroup per row.
#include <metal_stdlib>
#include "reduction/order.h"

using namespace metal;

constant int x_type [[function_constant(0)]];
constant bool smallest [[function_constant(1)]];

struct ArgReduceParams {
  uint length;
};

// As on `cpu`, a NaN is never larger or smaller than another element. It wins only as the first element, because the
// search starts there.
inline uint rank_of(device const uchar* x, ulong at, bool first) {
  const uint order = load_order(x, x_type, at);
  const bool is_float = !is_integral(x_type);
  if (is_float && order == 0xffffffffu) return first ? 0xffffffffu : 0u;
  return smallest ? ~order : order;
}

[[kernel]] void arg_reduce(device const uchar* x [[buffer(0)]],
                           device int* output [[buffer(1)]],
                           constant ArgReduceParams& params [[buffer(2)]],
                           uint row [[threadgroup_position_in_grid]],
                           uint thread_index [[thread_index_in_threadgroup]],
                           uint threads [[threads_per_threadgroup]]) {
  threadgroup uint best_ranks[256];
  threadgroup uint best_positions[256];
  const ulong base = ulong(row) * params.length;
  uint best_rank = 0;
  uint best_position = thread_index;
  for (uint i = thread_index; i < params.length; i += threads) {
    const uint rank = rank_of(x, base + i, i == 0);
    if (rank > best_rank || i == thread_index) {
      best_rank = rank;
      best_position = i;
    }
  }
  best_ranks[thread_index] = best_rank;
  best_positions[thread_index] = best_position;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index != 0) return;
  for (uint i = 1; i < min(threads, params.length); i++) {
    if (best_ranks[i] > best_rank || (best_ranks[i] == best_rank && best_positions[i] < best_position)) {
      best_rank = best_ranks[i];
      best_position = best_positions[i];
    }
  }
  output[row] = int(best_position);
}
