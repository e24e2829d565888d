#include "moe/moe_tiles.h"

#include <algorithm>

#include "moe/moe_tiles.cuh"

namespace attention {

int64_t count_moe_tiles(int pairs, int experts, int rows_per_tile) {
  return pairs / rows_per_tile + std::min<int64_t>(pairs, int64_t(experts) + 1);
}

void make_moe_tiles(const LaunchContext& context, const int* expert_ids, int pairs, int experts, int rows_per_tile,
                    MoeTile* tiles) {
  const size_t bytes = 2 * (size_t(experts) + 2) * sizeof(int);
  if (bytes > size_t(context.device.shared_bytes_per_block)) {
    const int most = context.device.shared_bytes_per_block / int(2 * sizeof(int)) - 2;
    throw DeviceError("ERR_UNSUPPORTED", "weights: this device takes at most " + std::to_string(most) +
                                             " experts, received " + std::to_string(experts));
  }
  const unsigned threads = unsigned(std::min(1024, divide_up(std::max(pairs, experts), warp_size) * warp_size));
  launch(context, moe_tiles_kernel, {.blocks = 1, .threads = threads, .shared_bytes = bytes}, expert_ids, pairs, experts,
         rows_per_tile, tiles, int(count_moe_tiles(pairs, experts, rows_per_tile)));
}

}  // namespace attention
