#include "attention/attention.h"

namespace attention {

/// Attention over contiguous keys and values.
void varlen_attention(const LaunchContext& context, const AttentionParams& params) {
  AttentionParams contiguous = params;
  contiguous.block_tables = {};
  attend(context, contiguous);
}

ATTENTION_OPERATION(varlen_attention, AttentionParams, ATTENTION_PARAMS_FIELDS)

}  // namespace attention
