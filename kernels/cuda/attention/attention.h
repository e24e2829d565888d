#pragma once

#include "common/operation.h"

namespace attention {

/// Parameters of all attention launchers. Keys and values lie in a paged cache if there are block tables, otherwise in
/// contiguous rows. T tokens, S sequences, H query heads, Hkv KV heads, D head size.
struct AttentionParams {
  Operand query;                           // [T, H, D]
  Operand key;                             // paged: a cache, see cache_layout.cuh; contiguous: [keys, Hkv, D]
  Operand value;                           // like key
  Operand output;                          // [T, H, D], the type of query
  TypedOperand<float> lse;                 // [T, H], or null
  TypedOperand<const int> block_tables;    // [S, max_blocks], or null: contiguous
  TypedOperand<const int> context_lens;    // [S], paged
  TypedOperand<const int> cu_seqlens_q;    // [S + 1], or null: one token per sequence
  TypedOperand<const int> cu_seqlens_k;    // [S + 1], contiguous
  TypedOperand<const float> alibi_slopes;  // [H], or null
  TypedOperand<const float> sinks;         // [H], or null
  TypedOperand<const float> mask;          // [mask_heads, mask_rows, mask_keys], contiguous only, or null
  int tokens;
  int sequences;
  int heads;
  int kv_heads;
  int head_size;
  float scale;
  float softcap;  // 0: none
  int window;     // 0: none
  bool32 causal;
  bool32 vllm_layout;
  int num_blocks;  // paged
  int block_size;
  int max_blocks;
  int keys;        // contiguous: rows of key and value
  int mask_heads;  // each the full size or 1
  int mask_rows;
  int mask_keys;
  // Hints. They affect the choice of kernels and grids, never the result.
  int max_query_length;
  int max_context_length;
};

/// All fields of AttentionParams, for ATTENTION_OPERATION.
#define ATTENTION_PARAMS_FIELDS                                                                                        \
  query, key, value, output, lse, block_tables, context_lens, cu_seqlens_q, cu_seqlens_k, alibi_slopes, sinks, mask,   \
      tokens, sequences, heads, kv_heads, head_size, scale, softcap, window, causal, vllm_layout, num_blocks,          \
      block_size, max_blocks, keys, mask_heads, mask_rows, mask_keys, max_query_length, max_context_length

/// Throws ERR_RANGE for sizes that no kernel supports.
void check_attention(const AttentionParams& params);

/// Whether the tensor core kernels support these queries on this device.
bool use_tensor_cores(const LaunchContext& context, const AttentionParams& params);

// The kernels that paged_attention and varlen_attention choose from.

/// On CUDA cores, in exact float32: any type, layout, head size and query length.
void attend_scalar(const LaunchContext& context, const AttentionParams& params);

/// On tensor cores, for T float16 or bfloat16: computes the sequences of at most decode_query_length(group) tokens, see
/// attention_rows.cuh. Does not touch the rows of other sequences.
template <typename T>
void attend_decode(const LaunchContext& context, const AttentionParams& params);

/// On tensor cores, for float16 and bfloat16: computes the sequences that `attend_decode` skips, and zeros the padding
/// rows past the last sequence. With `include_decodes`, also computes the sequences of `attend_decode`.
void attend_prefill(const LaunchContext& context, const AttentionParams& params, bool include_decodes);

// Instantiated in separate files because they take long to compile.
extern template void attend_decode<float16>(const LaunchContext& context, const AttentionParams& params);
extern template void attend_decode<bfloat16>(const LaunchContext& context, const AttentionParams& params);

}  // namespace attention
