#include "attention/attention_prefill.h"

#include "attention/attention_prefill_hopper.h"
#include "attention/attention_prefill_keys.cuh"

namespace attention {
namespace {

template <typename T, int HeadSize>
void prefill_in_tiles(const LaunchContext& context, const AttentionParams& params, bool include_decodes) {
  using Large = PrefillTile<HeadSize, TileSize::large>;
  using Medium = PrefillTile<HeadSize, TileSize::medium>;
  using Small = PrefillTile<HeadSize, TileSize::small>;
  static_assert(Medium::rows == Large::rows);
  const auto fits = [&](size_t bytes) { return bytes <= size_t(context.device.shared_bytes_per_block); };
  if (!fits(sizeof(PrefillMemory<Small>))) {
    return attend_scalar(context, params);  // on Turing, for head sizes above 128
  }
  const int64_t group = params.heads / params.kv_heads;
  const int64_t longest = params.cu_seqlens_q ? params.max_query_length : 1;
  // Use larger tiles if sequences fill them and there are enough to occupy at least half of the multiprocessors.
  const int64_t blocks = group * params.tokens / Large::rows * params.kv_heads;
  TileSize size = TileSize::small;
  if (longest * group > Small::rows && 2 * blocks >= context.device.multiprocessors) {
    if (fits(sizeof(PrefillMemory<Large>))) {
      size = TileSize::large;
    } else if (has_medium_tiles(HeadSize) && fits(sizeof(PrefillMemory<Medium>))) {
      size = TileSize::medium;
    }
  }
  launch_prefill<T, HeadSize>(context, params, size, include_decodes);
}

}  // namespace

void attend_prefill(const LaunchContext& context, const AttentionParams& params, bool include_decodes) {
  if (params.tokens == 0) return;
  if (can_prefill_hopper(context, params)) return attend_prefill_hopper(context, params, include_decodes);
  with_half_type(params.query.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (params.head_size <= 64) return prefill_in_tiles<T, 64>(context, params, include_decodes);
    if (params.head_size <= 128) return prefill_in_tiles<T, 128>(context, params, include_decodes);
    prefill_in_tiles<T, 256>(context, params, include_decodes);
  });
}

}  // namespace attention
