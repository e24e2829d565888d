#include "attention/attention.h"

namespace attention {

/// Computes attention of every row of `query` over its sequence's keys in contiguous rows.
void varlen_attention(const LaunchContext& context, const AttentionParams& given) {
  if (given.tokens == 0) return;
  check_attention(given);
  AttentionParams params = given;
  params.block_tables = {};
  if (!use_tensor_cores(context, params)) return attend_scalar(context, params);
  attend_prefill(context, params, true);
}

ATTENTION_OPERATION(varlen_attention, AttentionParams, ATTENTION_PARAMS_FIELDS)

}  // namespace attention
