#include "moe/sort_tokens_by_expert.h"

#include <algorithm>
#include <bit>

#include "moe/sort_tokens_by_expert.cuh"

namespace attention {
namespace {

constexpr int max_threads = 512;
constexpr int few_buckets_bytes = 48 * 1024;

size_t shared_bytes(int threads, int buckets) { return size_t(threads / warp_size + 1) * buckets * sizeof(int); }

}  // namespace

void sort_tokens_by_expert(const LaunchContext& context, const SortTokensByExpertParams& params) {
  if (params.pairs == 0) return;
  const int buckets = params.experts + 1;
  int threads = std::min(max_threads, divide_up(params.pairs, warp_size) * warp_size);
  while (threads > warp_size && shared_bytes(threads, buckets) > few_buckets_bytes) threads -= warp_size;
  const size_t bytes = shared_bytes(threads, buckets);
  if (bytes > size_t(context.device.shared_bytes_per_block)) {
    const int most = context.device.shared_bytes_per_block / int(2 * sizeof(int)) - 1;
    throw DeviceError("ERR_UNSUPPORTED", "numExperts: this device sorts by at most " + std::to_string(most) +
                                             " experts, received " + std::to_string(params.experts));
  }
  // Every block counts all pairs, so launch no more blocks than the device runs concurrently.
  const int max_blocks = 2 * context.device.multiprocessors;
  const int pairs_per_block = divide_up(divide_up(params.pairs, max_blocks), threads) * threads;
  const int bucket_bits = std::bit_width(unsigned(params.experts));
  launch(context, sort_tokens_by_expert_kernel,
         {.blocks = divide_up(params.pairs, pairs_per_block),
          .threads = unsigned(threads),
          .shared_bytes = bytes},
         params, pairs_per_block, bucket_bits);
}

ATTENTION_OPERATION(sort_tokens_by_expert, SortTokensByExpertParams, ids, sorted_token_ids, expert_ids, pairs,
                    experts)

}  // namespace attention
