#pragma once
// What the bindings of attention have in common.

#include "attention/attention.h"
#include "binding.h"

namespace attention::cuda {

/// The first arguments of both, in this order; what describes the keys follows.
inline AttentionParams take_attention(Arguments& arguments) {
  return {
      .query = arguments.tensor(),
      .key = arguments.tensor(),
      .value = arguments.tensor(),
      .output = arguments.tensor(),
      .lse = arguments.tensor().as<float>(),
      .cu_seqlens_q = arguments.tensor().as<int>(),
      .alibi_slopes = arguments.tensor().as<float>(),
      .sinks = arguments.tensor().as<float>(),
      .tokens = arguments.integer32(),
      .sequences = arguments.integer32(),
      .heads = arguments.integer32(),
      .kv_heads = arguments.integer32(),
      .head_size = arguments.integer32(),
      .scale = arguments.number(),
      .softcap = arguments.number(),
      .window = arguments.integer32(),
      .causal = arguments.flag(),
      .max_query_length = arguments.integer32(),
      .max_context_length = arguments.integer32(),
      .forced_splits = arguments.integer32(),
  };
}

}  // namespace attention::cuda
