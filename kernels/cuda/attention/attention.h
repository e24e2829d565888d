#pragma once

#include "common/operation.h"

namespace attention {

/// What all attention launchers take. Keys and values lie in a paged cache where there are block tables, else in
/// contiguous rows. T tokens, S sequences, H query heads, Hkv KV heads, D head size.
struct AttentionParams {
  Operand query;                           // [T, H, D]
  Operand key;                             // paged: a cache, see cache_layout.cuh; contiguous: [keys, Hkv, D]
  Operand value;                           // like key
  Operand output;                          // [T, H, D], the type of query
  TypedOperand<float> lse;                 // [T, H], or null
  TypedOperand<const int> block_tables;    // [S, max_blocks], or null: contiguous
  TypedOperand<const int> context_lens;    // [S], paged
  TypedOperand<const int> cu_seqlens_q;    // [S + 1], or null: one token a sequence
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
  // Hints: they choose kernels and grids, never the result.
  int max_query_length;
  int max_context_length;
};

/// All of them, for ATTENTION_OPERATION.
#define ATTENTION_PARAMS_FIELDS                                                                                        \
  query, key, value, output, lse, block_tables, context_lens, cu_seqlens_q, cu_seqlens_k, alibi_slopes, sinks, mask,   \
      tokens, sequences, heads, kv_heads, head_size, scale, softcap, window, causal, vllm_layout, num_blocks,          \
      block_size, max_blocks, keys, mask_heads, mask_rows, mask_keys, max_query_length, max_context_length

/// Throws ERR_RANGE for sizes that no kernel takes.
void check_attention(const AttentionParams& params);

/// Whether the kernels for tensor cores serve these queries.
bool use_tensor_cores(const LaunchContext& context, const AttentionParams& params);

// The kernels that paged_attention and varlen_attention choose between.

/// Any type, layout and head size; exact float32. Both kinds of sequences.
void attend_scalar(const LaunchContext& context, const AttentionParams& params);

/// Tensor cores, T is float16 or bfloat16: the sequences of at most decode_query_length(group) tokens, see
/// attention_rows.cuh. Rows of others are left alone.
template <typename T>
void attend_decode(const LaunchContext& context, const AttentionParams& params);

/// Tensor cores, float16 and bfloat16: the sequences that `attend_decode` leaves alone, and the padding rows past the
/// last sequence. With `all` also those of `attend_decode`.
void attend_prefill(const LaunchContext& context, const AttentionParams& params, bool all);

// Instantiated in files of their own, as they take long to compile.
extern template void attend_decode<float16>(const LaunchContext& context, const AttentionParams& params);
extern template void attend_decode<bfloat16>(const LaunchContext& context, const AttentionParams& params);

}  // namespace attention
