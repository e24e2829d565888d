// Rotates queries and keys in one launch. Each row of the grid is one token; its threads share out the query heads,
// then the key heads.
#include "common/pack.h"

constant bool interleaved [[function_constant(0)]];
constant bool vectorized [[function_constant(1)]];  // rotary_dim / 2 and head_size are multiples of 8

struct RotaryEmbeddingParams {
  uint num_heads;
  uint num_kv_heads;
  uint head_size;
  uint rotary_dim;
  uint max_position;
};

/// Rotates pairs `pair` to `pair + N - 1` of a head.
template <int N, typename T>
inline void rotate_pairs(device T* output, device const T* x, device const float* cos_row,
                         device const float* sin_row, uint pair, uint num_pairs, bool in_table) {
  float cosines[N];
  float sines[N];
  for (int i = 0; i < N; i++) cosines[i] = sines[i] = NAN;
  if (in_table) {
    load_pack<N>(cosines, cos_row + pair);
    load_pack<N>(sines, sin_row + pair);
  }
  const uint low = interleaved ? 2 * pair : pair;
  const uint high = interleaved ? 2 * pair + N : pair + num_pairs;
  float elements[2 * N];
  load_pack<N>(elements, x + low);
  load_pack<N>(elements + N, x + high);
  for (int i = 0; i < N; i++) {
    const int first = interleaved ? 2 * i : i;
    const int second = interleaved ? 2 * i + 1 : i + N;
    const float a = elements[first];
    const float b = elements[second];
    elements[first] = a * cosines[i] - b * sines[i];
    elements[second] = b * cosines[i] + a * sines[i];
  }
  store_pack<N>(output + low, elements);
  store_pack<N>(output + high, elements + N);
}

/// Rotates a token's heads, N pairs at a time, and copies the rest of each head, N elements at a time.
template <int N, typename T>
inline void rotate_token(device const T* query, device const T* key, device const float* cos_row,
                         device const float* sin_row, device T* query_output, device T* key_output,
                         constant RotaryEmbeddingParams& params, bool in_table, uint first, uint stride) {
  const uint num_pairs = params.rotary_dim / 2;
  const uint rotations = num_pairs / N;
  const uint items = rotations + (params.head_size - params.rotary_dim) / N;
  const uint total = (params.num_heads + params.num_kv_heads) * items;
  for (uint i = first; i < total; i += stride) {
    const uint head = i / items;
    const uint item = i % items;
    const bool is_query = head < params.num_heads;
    const uint start = (is_query ? head : head - params.num_heads) * params.head_size;
    device const T* x = (is_query ? query : key) + start;
    device T* output = (is_query ? query_output : key_output) + start;
    if (item < rotations) {
      rotate_pairs<N>(output, x, cos_row, sin_row, item * N, num_pairs, in_table);
    } else {
      const uint d = params.rotary_dim + (item - rotations) * N;
      T elements[N];
      load_pack<N>(elements, x + d);
      store_pack<N>(output + d, elements);
    }
  }
}

template <typename T>
[[kernel]] void rotary_embedding(device const T* query [[buffer(0)]],
                                 device const T* key [[buffer(1)]],
                                 device const int* positions [[buffer(2)]],
                                 device const float* cos_table [[buffer(3)]],
                                 device const float* sin_table [[buffer(4)]],
                                 device T* query_output [[buffer(5)]],
                                 device T* key_output [[buffer(6)]],
                                 constant RotaryEmbeddingParams& params [[buffer(7)]],
                                 uint2 position_in_grid [[thread_position_in_grid]],
                                 uint2 grid_size [[threads_per_grid]]) {
  const uint token = position_in_grid.y;
  const int position = positions[token];
  const bool in_table = position >= 0 && uint(position) < params.max_position;  // else the result is NaN
  const ulong table_row = in_table ? ulong(position) * (params.rotary_dim / 2) : 0;
  const ulong query_row = ulong(token) * params.num_heads * params.head_size;
  const ulong key_row = ulong(token) * params.num_kv_heads * params.head_size;
  if (vectorized) {
    rotate_token<8>(query + query_row, key + key_row, cos_table + table_row, sin_table + table_row,
                    query_output + query_row, key_output + key_row, params, in_table, position_in_grid.x,
                    grid_size.x);
  } else {
    rotate_token<1>(query + query_row, key + key_row, cos_table + table_row, sin_table + table_row,
                    query_output + query_row, key_output + key_row, params, in_table, position_in_grid.x,
                    grid_size.x);
  }
}

#define instantiate_rotary_embedding(type)                                                              \
  template [[host_name("rotary_embedding_" #type)]] [[kernel]] void rotary_embedding<type>(             \
      device const type*, device const type*, device const int*, device const float*, device const float*, \
      device type*, device type*, constant RotaryEmbeddingParams&, uint2, uint2);

instantiate_rotary_embedding(float)
instantiate_rotary_embedding(half)
instantiate_rotary_embedding(bfloat)
