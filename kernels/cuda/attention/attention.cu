#include "attention/attention.h"

#include <algorithm>
#include <cstdint>

#include "attention/attention_rows.cuh"

namespace attention {
namespace {

constexpr int max_matrix_head_size = 256;

/// Whether the device multiplies matrices of this type.
bool has_matrices(const LaunchContext& context, ElementType type) {
  if (type == ElementType::float32) return false;
  return context.device.architecture >= (type == ElementType::float16 ? 75 : 80);
}

/// Whether the hints leave no room for a sequence that is decoded, and tokens of a longer one.
bool all_prefill(const AttentionParams& params, int decode_length) {
  const int64_t longest = std::min(params.max_query_length, params.tokens);
  return longest > decode_length && params.sequences * longest - params.tokens < longest - decode_length;
}

}  // namespace

void attend(const LaunchContext& context, const AttentionParams& params) {
  if (params.tokens == 0) return;
  expect_positive("heads", params.heads);
  expect_positive("kvHeads", params.kv_heads);
  expect_positive("headSize", params.head_size);
  if (params.heads % params.kv_heads != 0) {
    throw DeviceError("ERR_RANGE", "heads: expected a multiple of kvHeads " + std::to_string(params.kv_heads) +
                                       ", received " + std::to_string(params.heads));
  }

  if (!has_matrices(context, params.query.type) || params.head_size > max_matrix_head_size) {
    return attend_scalar(context, params);
  }
  if (!params.block_tables) return attend_prefill(context, params, true);
  if (!params.cu_seqlens_q) return attend_decode(context, params);
  const bool decodes = !all_prefill(params, decode_query_length(params.heads / params.kv_heads));
  if (decodes) attend_decode(context, params);
  attend_prefill(context, params, !decodes);
}

}  // namespace attention
