#include "attention/attention.h"

namespace attention {

/// Attention over a paged cache.
void paged_attention(const LaunchContext& context, const AttentionParams& params) {
  expect_positive("blockSize", params.block_size);
  AttentionParams paged = params;
  // An empty table has no address. None of its columns is ever read.
  if (!paged.block_tables) paged.block_tables = paged.context_lens;
  attend(context, paged);
}

ATTENTION_OPERATION(paged_attention, AttentionParams, ATTENTION_PARAMS_FIELDS)

}  // namespace attention
