#pragma once
// Rotary position embedding of queries and keys. A head is cut into items: N of its pairs, or N of the elements past
// rotary_dim. A thread takes one item of several heads of a token, so that cosines and sines are read once for them.

#include "convert.cuh"
#include "rotary_embedding.h"

namespace attention {

constexpr int rotary_threads = 256;  // of a block, at most
constexpr int rotary_heads_per_thread = 2;

/// Queries and keys of a token.
template <typename T>
struct RotaryRows {
  const T* query;
  const T* key;
  T* rotated_query;
  T* rotated_key;
  int heads;
  int kv_heads;
  int head_size;

  /// `head` counts the query's heads, then the key's.
  __device__ __forceinline__ const T* input(int64_t token, int head) const {
    return head < heads ? query + (token * heads + head) * head_size
                        : key + (token * kv_heads + head - heads) * head_size;
  }
  __device__ __forceinline__ T* output(int64_t token, int head) const {
    return head < heads ? rotated_query + (token * heads + head) * head_size
                        : rotated_key + (token * kv_heads + head - heads) * head_size;
  }
};

/// Rotates N pairs in place: neighbours of `low | high`, or an element of `low` and one of `high`.
template <bool Interleaved, int N, typename T>
__device__ __forceinline__ void rotate_pairs(Pack<T, N>& low, Pack<T, N>& high, const float (&cosines)[N],
                                             const float (&sines)[N]) {
  float elements[2 * N];
#pragma unroll
  for (int i = 0; i < N; i++) {
    elements[i] = to_float(low.elements[i]);
    elements[N + i] = to_float(high.elements[i]);
  }
#pragma unroll
  for (int i = 0; i < N; i++) {
    float& first = elements[Interleaved ? 2 * i : i];
    float& second = elements[Interleaved ? 2 * i + 1 : N + i];
    const float a = first;
    const float b = second;
    first = a * cosines[i] - b * sines[i];
    second = b * cosines[i] + a * sines[i];
  }
#pragma unroll
  for (int i = 0; i < N; i++) {
    low.elements[i] = from_float<T>(elements[i]);
    high.elements[i] = from_float<T>(elements[N + i]);
  }
}

/// Threads along x and blocks along y are the `items * lanes` items of a token; threads along y and blocks along x tokens.
/// A thread takes heads lane, lane + lanes, …
template <bool Interleaved, int N, typename T>
__global__ void __launch_bounds__(rotary_threads)
    rotary_embedding_kernel(RotaryRows<T> rows, const int* __restrict__ positions, const float* __restrict__ cos,
                            const float* __restrict__ sin, int tokens, int rotary_dim, int max_position, int items,
                            int lanes) {
  constexpr int Heads = rotary_heads_per_thread;
  const int64_t token = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  const int index = blockIdx.y * blockDim.x + threadIdx.x;
  const int lane = index / items;
  if (token >= tokens || lane >= lanes) return;
  const int item = index - lane * items;
  const int all_heads = rows.heads + rows.kv_heads;
  const int num_pairs = rotary_dim / 2;
  const int rotations = num_pairs / N;

  if (item >= rotations) {
    const int d = rotary_dim + (item - rotations) * N;
    for (int head = lane; head < all_heads; head += lanes) {
      *reinterpret_cast<Pack<T, N>*>(rows.output(token, head) + d) =
          *reinterpret_cast<const Pack<T, N>*>(rows.input(token, head) + d);
    }
    return;
  }
  const int pair = item * N;
  const int low = Interleaved ? 2 * pair : pair;
  const int high = Interleaved ? 2 * pair + N : pair + num_pairs;
  Pack<T, N> lows[Heads];
  Pack<T, N> highs[Heads];
#pragma unroll
  for (int i = 0; i < Heads; i++) {
    const int head = lane + i * lanes;
    if (head >= all_heads) break;
    const T* x = rows.input(token, head);
    lows[i] = *reinterpret_cast<const Pack<T, N>*>(x + low);
    highs[i] = *reinterpret_cast<const Pack<T, N>*>(x + high);
  }
  const int position = positions[token];
  float cosines[N];
  float sines[N];
  if (position >= 0 && position < max_position) {
    const int64_t entry = int64_t(position) * num_pairs + pair;
    load_pack<N>(cosines, cos + entry);
    load_pack<N>(sines, sin + entry);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) cosines[i] = sines[i] = __builtin_nanf("");
  }
#pragma unroll
  for (int i = 0; i < Heads; i++) {
    const int head = lane + i * lanes;
    if (head >= all_heads) break;
    rotate_pairs<Interleaved>(lows[i], highs[i], cosines, sines);
    T* output = rows.output(token, head);
    *reinterpret_cast<Pack<T, N>*>(output + low) = lows[i];
    *reinterpret_cast<Pack<T, N>*>(output + high) = highs[i];
  }
}

}  // namespace attention
