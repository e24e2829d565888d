#pragma once

#include "common/operation.h"

namespace attention {

struct MergeAttentionStatesParams {
  Operand outputs;                  // [parts, rows, D]
  TypedOperand<const float> lses;   // [parts, rows], natural logarithm
  TypedOperand<const float> sinks;  // [heads]: sinks not yet included in any part, or null
  Operand output;                   // [rows, D], the type of outputs, or any float type if they are float32
  TypedOperand<float> lse;          // [rows], or null
  int parts;
  int64_t rows;  // tokens * heads
  int heads;
  int head_size;
};

/// Merges attention over disjoint parts of the keys: the operands of mergeAttentionStates, or the splits of an
/// attention kernel.
void merge_attention_states(const LaunchContext& context, const MergeAttentionStatesParams& params);

}  // namespace attention
