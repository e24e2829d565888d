#pragma once
// Rotary position embedding of queries and keys. A head is divided into items: N of its rotated pairs, or N of the
// elements past rotary_dim, which are copied. A thread processes one item of several heads of a token, so that cosines
// and sines are read once for them.

#include "common/convert.cuh"

namespace attention {

constexpr int rotary_threads = 256;  // maximum per block
constexpr int rotary_blocks = 4;      // minimum per multiprocessor
constexpr int rotary_heads_per_thread = 2;

/// The rows of queries and keys.
template <typename T>
struct RotaryRows {
  const T* query;
  const T* key;
  T* rotated_query;
  T* rotated_key;
  int heads;
  int kv_heads;
  int head_size;
};

/// One head of one token: its input and its output.
template <typename T>
struct RotaryHead {
  const T* input;
  T* output;

  /// `head` numbers the query's heads, then the key's.
  __device__ __forceinline__ RotaryHead(const RotaryRows<T>& rows, int64_t token, int head) {
    const bool is_query = head < rows.heads;
    const int64_t first = token * ((is_query ? rows.heads : rows.kv_heads) * rows.head_size);
    const int64_t offset = first + (is_query ? head : head - rows.heads) * rows.head_size;
    input = (is_query ? rows.query : rows.key) + offset;
    output = (is_query ? rows.rotated_query : rows.rotated_key) + offset;
  }
};

/// Rotates N pairs in place. If interleaved, the pairs are adjacent elements of `low | high`; otherwise element i of
/// `low` and element i of `high`.
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

/// Thread x and block z select the item, thread y and block y the lane of heads, thread z and block x the token. A
/// thread processes heads lane, lane + lanes, …
template <bool Interleaved, int N, typename T>
__global__ void __launch_bounds__(rotary_threads, rotary_blocks)
    rotary_embedding_kernel(RotaryRows<T> rows, const int* __restrict__ positions, const float* __restrict__ cos,
                            const float* __restrict__ sin, int tokens, int rotary_dim, int max_position, int items,
                            int lanes) {
  constexpr int Heads = rotary_heads_per_thread;
  const int64_t token = int64_t(blockIdx.x) * blockDim.z + threadIdx.z;
  const int item = blockIdx.z * blockDim.x + threadIdx.x;
  const int lane = blockIdx.y * blockDim.y + threadIdx.y;
  if (token >= tokens || item >= items || lane >= lanes) return;
  const int all_heads = rows.heads + rows.kv_heads;
  const int num_pairs = rotary_dim / 2;
  const int rotations = num_pairs / N;

  if (item >= rotations) {
    const int d = rotary_dim + (item - rotations) * N;
    for (int head = lane; head < all_heads; head += lanes) {
      const RotaryHead<T> x(rows, token, head);
      *reinterpret_cast<Pack<T, N>*>(x.output + d) = *reinterpret_cast<const Pack<T, N>*>(x.input + d);
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
    // Unconditional, clamped loads: with a condition, each head's loads would wait for those of the previous head.
    const RotaryHead<T> x(rows, token, min(lane + i * lanes, all_heads - 1));
    lows[i] = *reinterpret_cast<const Pack<T, N>*>(x.input + low);
    highs[i] = *reinterpret_cast<const Pack<T, N>*>(x.input + high);
  }
  __syncthreads();  // keeps the compiler from moving these loads behind the wait for the position
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
    if (i > 0 && head >= all_heads) break;
    rotate_pairs<Interleaved>(lows[i], highs[i], cosines, sines);
    const RotaryHead<T> x(rows, token, head);
    *reinterpret_cast<Pack<T, N>*>(x.output + low) = lows[i];
    *reinterpret_cast<Pack<T, N>*>(x.output + high) = highs[i];
  }
}

}  // namespace attention
