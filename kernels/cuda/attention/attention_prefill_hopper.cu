#include "attention/attention_prefill_hopper.h"

#include <algorithm>
#include <cstdint>

#include "attention/attention_prefill_hopper_work.cuh"
#include "common/architecture.h"

namespace attention {
namespace {

template <int HeadSize>
struct HeadSizeTag {
  static constexpr int value = HeadSize;
};

/// Calls `body` with the smallest head size, among those that have tiles, that is not less than `head_size`.
template <typename Body>
auto with_hopper_head_size(int head_size, Body&& body) {
  if (head_size <= 64) return body(HeadSizeTag<64>{});
  if (head_size <= 96) return body(HeadSizeTag<96>{});
  if (head_size <= 128) return body(HeadSizeTag<128>{});
  if (head_size <= 192) return body(HeadSizeTag<192>{});
  return body(HeadSizeTag<256>{});
}

/// Whether the copy engine can address queries, keys and values: coordinates fit in int32, and everything is aligned.
bool can_copy_keys(const AttentionParams& params) {
  const bool paged = params.block_tables != nullptr;
  if (paged && params.vllm_layout) return false;
  const int64_t rows = paged ? int64_t(params.num_blocks) * params.block_size : int64_t(params.keys);
  const auto is_aligned = [](const Operand& operand) { return reinterpret_cast<uintptr_t>(operand.data) % 16 == 0; };
  return rows > 0 && rows <= INT32_MAX && (!paged || params.block_size % 8 == 0) && params.head_size % 8 == 0 &&
         is_aligned(params.query) && is_aligned(params.key) && is_aligned(params.value);
}

}  // namespace

bool can_prefill_hopper(const LaunchContext& context, const AttentionParams& params) {
  if (context.device.architecture != 90 || !has_hopper_code() || !can_copy_keys(params)) return false;
  if (params.mask || !(params.scale > 0.0f) || (params.softcap > 0.0f && params.alibi_slopes)) return false;
  return with_hopper_head_size(params.head_size, [&](auto size) {
    using Tile = HopperTile<decltype(size)::value>;
    if (sizeof(HopperMemory<Tile>) > size_t(context.device.shared_bytes_per_block)) return false;
    const int64_t group = params.heads / params.kv_heads;
    const int64_t longest = params.cu_seqlens_q ? std::min(params.max_query_length, params.tokens) : 1;
    const int64_t tiles = group * params.tokens / Tile::rows * params.kv_heads;
    return longest * group > 64 && 2 * tiles >= context.device.multiprocessors;
  });
}

void attend_prefill_hopper(const LaunchContext& context, const AttentionParams& params, bool include_decodes) {
  with_half_type(params.query.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    with_hopper_head_size(params.head_size, [&](auto size) {
      launch_prefill_hopper<T, decltype(size)::value>(context, params, include_decodes);
    });
  });
}

}  // namespace attention
