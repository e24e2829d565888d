#include "attention/attention.h"

namespace attention {
namespace {

constexpr int max_tensor_core_head_size = 256;

}  // namespace

void check_attention(const AttentionParams& params) {
  expect_positive("heads", params.heads);
  expect_positive("kvHeads", params.kv_heads);
  expect_positive("headSize", params.head_size);
  if (params.heads % params.kv_heads == 0) return;
  throw DeviceError("ERR_RANGE", "heads: expected a multiple of kvHeads " + std::to_string(params.kv_heads) +
                                     ", received " + std::to_string(params.heads));
}

bool use_tensor_cores(const LaunchContext& context, const AttentionParams& params) {
  const ElementType type = params.query.type;
  if (type == ElementType::float32 || params.head_size > max_tensor_core_head_size) return false;
  return context.device.architecture >= (type == ElementType::float16 ? 75 : 80);
}

}  // namespace attention
