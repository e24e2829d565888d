// Attention over contiguous keys and values of packed sequences. Grid: (tiles of rows, KV heads, splits), see
// attention.h.
#include "attention/attention_matrix.h"
#include "attention/attention_vector.h"

/// Keys and values [keys, kv_heads, head_size] of one sequence and KV head, presented to the algorithms as one big
/// block.
template <typename T>
struct ContiguousKeyValue {
  device const T* key;    // the sequence's first key, at this KV head
  device const T* value;
  int first;
  int context_length;
  int row_length;

  int capacity() const { return context_length; }
  int first_key() const { return first; }
  int block(int) const { return 0; }
  device const T* key4(int, int position, int d) const { return key + long(position) * row_length + d; }
  device const T* value4(int, int position, int d) const { return value + long(position) * row_length + d; }
  device const T* value1(int block, int position, int d) const { return value4(block, position, d); }
};

template <typename T, typename Algorithm>
[[kernel]] void varlen_attention(device const T* query [[buffer(0)]],
                                 device const T* key [[buffer(1)]],
                                 device const T* value [[buffer(2)]],
                                 device const int* cu_seqlens_q [[buffer(3)]],
                                 device const int* cu_seqlens_k [[buffer(4)]],
                                 device const float* mask [[buffer(5)]],
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
  tensors.mask = mask;
  tensors.output = output;
  tensors.partial_output = partial_output;
  tensors.lse = lse;
  ContiguousKeyValue<T> key_value;
  key_value.first = 0;
  key_value.context_length = 0;
  if (tile.sequence < params.sequences) {
    key_value.first = clamp(cu_seqlens_k[tile.sequence], 0, params.keys);
    key_value.context_length = clamp(cu_seqlens_k[tile.sequence + 1], key_value.first, params.keys) - key_value.first;
  }
  key_value.row_length = params.kv_heads * head_size;
  const long offset = long(key_value.first) * key_value.row_length + position.y * head_size;
  key_value.key = key + offset;
  key_value.value = value + offset;
  Algorithm::attend(tile, key_value, int(position.y), int(position.z), tensors, params, memory, int(thread_index));
}

#define instantiate_varlen_attention(type, name, ...)                                    \
  template [[host_name("varlen_attention_" #name "_" #type)]] [[kernel]] decltype(       \
      varlen_attention<type, __VA_ARGS__>) varlen_attention<type, __VA_ARGS__>;

#define instantiate_varlen_attention_type(type)                             \
  instantiate_varlen_attention(type, vector, VectorAttention)               \
  instantiate_varlen_attention(type, matrix_8, MatrixAttention<8>)          \
  instantiate_varlen_attention(type, matrix_16, MatrixAttention<16>)        \
  instantiate_varlen_attention(type, matrix_32, MatrixAttention<32>)

instantiate_varlen_attention_type(float)
instantiate_varlen_attention_type(half)
instantiate_varlen_attention_type(bfloat)
