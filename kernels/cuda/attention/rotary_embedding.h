#pragma once

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

struct RotaryEmbeddingParams {
  Operand query;           // [tokens, heads, head_size]
  Operand key;             // [tokens, kv_heads, head_size], the type of query
  Operand positions;       // [tokens], int32
  Operand cos;             // [max_position, rotary_dim / 2], float32
  Operand sin;             // like cos
  Operand rotated_query;   // like query
  Operand rotated_key;     // like key
  int tokens;
  int heads;
  int kv_heads;
  int head_size;
  int rotary_dim;
  int max_position;
  bool interleaved;
};

/// Rotates queries and keys in one launch. A position outside of the table makes its token NaN.
void rotary_embedding(const LaunchContext& context, const RotaryEmbeddingParams& params);

}  // namespace attention
