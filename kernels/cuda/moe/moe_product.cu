#include "moe/moe_product.h"

#include <algorithm>

#include "blocks/block_type.h"
#include "moe/moe_rows.cuh"
#include "moe/moe_tile.cuh"

namespace attention {
namespace {

constexpr int max_pairs_without_tiles = 32;
constexpr int few_pairs_per_expert = 4;
constexpr int many_pairs_per_expert = 96;

}  // namespace

bool is_moe_aligned(ElementType type, int depth) { return depth % (16 / element_bytes(type)) == 0; }

MoePlan plan_moe(const LaunchContext& context, ElementType type, ElementType weights_type, int pairs, int experts,
                 bool aligned) {
  using Kernel = MoePlan::Kernel;
  using Large = MoeLargeTile<float16>;
  const int architecture = context.device.architecture;
  const bool has_tensor_cores =
      type == ElementType::float16 ? architecture >= 75 : type == ElementType::bfloat16 && architecture >= 80;
  const bool is_float = type == ElementType::float32;
  if (is_block_type(weights_type)) {
    if (!(is_float || has_tensor_cores)) {
      throw DeviceError("ERR_UNSUPPORTED", "expected compute capability 8.0 or later for experts in a block type with x "
                                           "in bfloat16; float32 and float16 do without");
    }
    const bool are_many = pairs > moe_block_rows(is_float, false) * int64_t(experts);
    const bool needs_tiles = pairs > max_pairs_without_tiles;
    return {Kernel::blocks, moe_block_rows(is_float, needs_tiles && are_many), needs_tiles};
  }
  const MoePlan fma_tiles = {Kernel::fma_tiles, MoeFmaTile<float>::Full::rows, true};
  if (!aligned || !(is_float || has_tensor_cores)) return fma_tiles;
  if (pairs <= std::max<int64_t>(16, int64_t(few_pairs_per_expert) * experts)) {
    const bool needs_tiles = pairs > max_pairs_without_tiles;
    if (is_float) return {Kernel::dots, moe_dot_rows, needs_tiles};
    return {Kernel::stream, moe_stream_rows, needs_tiles};
  }
  if (is_float) return fma_tiles;
  if (pairs >= int64_t(many_pairs_per_expert) * experts && Large::shared_bytes <= context.device.shared_bytes_per_block) {
    return {Kernel::large_tiles, Large::Full::rows, true};
  }
  return {Kernel::small_tiles, MoeSmallTile<float16>::Full::rows, true};
}

void multiply_experts(const LaunchContext& context, const MoePlan& plan, const MoeProduct& product) {
  if (product.pairs == 0 || product.width == 0) return;
  if (plan.kernel == MoePlan::Kernel::blocks) {
    return with_float_type(product.x.type, [&](auto tag) {
      launch_moe_blocks<typename decltype(tag)::type>(context, plan, product);
    });
  }
  const bool by_rows = plan.kernel == MoePlan::Kernel::stream || plan.kernel == MoePlan::Kernel::dots;
  by_rows ? multiply_experts_by_rows(context, plan, product) : multiply_experts_by_tiles(context, plan, product);
}

}  // namespace attention
