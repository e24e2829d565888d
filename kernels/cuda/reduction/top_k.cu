#include "reduction/top_k.h"

#include "elementwise/elementwise.h"
#include "reduction/top_k.cuh"

namespace attention {
namespace {

constexpr int short_row = 512;  // which is sorted as a whole

int power_of_two(int64_t least) {
  int power = 2;
  while (power < least) power *= 2;
  return power;
}

}  // namespace

void top_k(const LaunchContext& context, const TopKParams& params) {
  if (params.rows == 0 || params.k == 0) return;
  if (params.k > top_k_most) {
    throw DeviceError("ERR_RANGE", "expected k of at most " + std::to_string(top_k_most) + ", received " +
                                       std::to_string(params.k));
  }
  if (params.length > INT32_MAX) throw DeviceError("ERR_RANGE", "positions in rows this long are no int32");
  const int capacity = power_of_two(params.length <= short_row ? params.length : params.k);
  const int threads = row_threads(params.length, 4, 1024);
  launch(context, top_k_kernel,
         {.blocks = params.rows, .threads = unsigned(threads), .shared_bytes = capacity * sizeof(uint64_t)},
         params.x.data, params.x.type, params.values.data, params.indices.as<int>(), params.length, params.k, capacity);
}

}  // namespace attention
