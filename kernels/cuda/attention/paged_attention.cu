#include <algorithm>
#include <cstdint>

#include "attention/attention.h"
#include "attention/attention_rows.cuh"

namespace attention {
namespace {

/// Whether the hints rule out sequences that are decoded: then one kernel computes everything.
bool all_prefill(const AttentionParams& params) {
  const int decode_length = decode_query_length(params.heads / params.kv_heads);
  const int64_t longest = std::min(params.max_query_length, params.tokens);
  return longest > decode_length && params.sequences * longest - params.tokens < longest - decode_length;
}

}  // namespace

/// Computes attention of every row of `query` over its sequence's keys in a paged cache.
void paged_attention(const LaunchContext& context, const AttentionParams& given) {
  if (given.tokens == 0) return;
  check_attention(given);
  expect_positive("blockSize", given.block_size);
  AttentionParams params = given;
  // An empty table has a null address, which would mean contiguous keys. Its columns are never read.
  if (!params.block_tables) params.block_tables = params.context_lens;
  if (!use_tensor_cores(context, params)) return attend_scalar(context, params);
  const bool decodes = !params.cu_seqlens_q || !all_prefill(params);
  if (decodes && params.sequences > 0) {
    with_half_type(params.query.type, [&](auto tag) {
      attend_decode<typename decltype(tag)::type>(context, params);
    });
  }
  if (params.cu_seqlens_q) attend_prefill(context, params, !decodes);
}

ATTENTION_OPERATION(paged_attention, AttentionParams, ATTENTION_PARAMS_FIELDS)

}  // namespace attention
