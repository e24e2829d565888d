#pragma once

#include "common/operation.h"

namespace attention {

struct MergeAttentionStatesParams {
  Operand outputs;                  // [parts, rows, D]
  TypedOperand<const float> lses;   // [parts, rows], natural logarithm
  TypedOperand<const float> sinks;  // [heads]: sinks that no part has counted, or null
  Operand output;                   // [rows, D], the type of outputs, or any float type where they are float32
  TypedOperand<float> lse;          // [rows], or null
  int parts;
  int64_t rows;  // tokens * heads
  int heads;
  int head_size;
};

/// Joins attention over parts of the keys: those of mergeAttentionStates, and the splits of the attention kernels.
void merge_attention_states(const LaunchContext& context, const MergeAttentionStatesParams& params);

}  // namespace attention
