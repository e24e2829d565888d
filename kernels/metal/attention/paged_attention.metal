// Attention over a paged KV cache: prefill, chunked prefill, decode, and batches that mix them. Grid: (tiles of rows,
// KV heads, splits), see attention.h.
#include "attention/attention_matrix.h"
#include "attention/attention_vector.h"
#include "cache/cache_layout.h"

template <typename T, typename Algorithm>
[[kernel]] void paged_attention(device const T* query [[buffer(0)]],
                                device const T* key_cache [[buffer(1)]],
                                device const T* value_cache [[buffer(2)]],
                                device const int* block_tables [[buffer(3)]],
                                device const int* context_lens [[buffer(4)]],
                                device const int* cu_seqlens_q [[buffer(5)]],
                                device const float* alibi_slopes [[buffer(6)]],
                                device const float* sinks [[buffer(7)]],
                                device T* output [[buffer(8)]],
                                device float* partial_output [[buffer(9)]],
                                device float* lse [[buffer(10)]],
                                constant AttentionParams& params [[buffer(11)]],
                                threadgroup float* memory [[threadgroup(0)]],
                                uint3 position [[threadgroup_position_in_grid]],
                                uint thread_index [[thread_index_in_threadgroup]]) {
  const RowTile tile = find_tile(cu_seqlens_q, params, position.x);
  if (tile.num_rows == 0) return;
  AttentionTensors<T> tensors;
  tensors.query = query;
  tensors.alibi_slopes = alibi_slopes;
  tensors.sinks = sinks;
  tensors.mask = sinks;  // unused: has_mask is false
  tensors.output = output;
  tensors.partial_output = partial_output;
  tensors.lse = lse;
  PagedKeyValue<T> key_value;
  key_value.key_cache = key_cache;
  key_value.value_cache = value_cache;
  key_value.block_table = block_tables + long(tile.sequence) * params.max_blocks;
  key_value.kv_head = position.y;
  key_value.kv_heads = params.kv_heads;
  key_value.num_blocks = params.num_blocks;
  key_value.block_size = params.block_size;
  key_value.max_blocks = params.max_blocks;
  key_value.context_length = tile.sequence < params.sequences ? max(0, context_lens[tile.sequence]) : 0;
  Algorithm::attend(tile, key_value, int(position.y), int(position.z), tensors, params, memory, int(thread_index));
}

#define instantiate_paged_attention(type, name, ...)                                     \
  template [[host_name("paged_attention_" #name "_" #type)]] [[kernel]] decltype(        \
      paged_attention<type, __VA_ARGS__>) paged_attention<type, __VA_ARGS__>;

#define instantiate_paged_attention_type(type)                             \
  instantiate_paged_attention(type, vector, VectorAttention)               \
  instantiate_paged_attention(type, matrix_8, MatrixAttention<8>)          \
  instantiate_paged_attention(type, matrix_16, MatrixAttention<16>)        \
  instantiate_paged_attention(type, matrix_32, MatrixAttention<32>)

instantiate_paged_attention_type(float)
instantiate_paged_attention_type(half)
instantiate_paged_attention_type(bfloat)
