#pragma once
// Samples a token for each row of logits, one block per row, without sorting the row. Top-k and top-p are thresholds on
// the logit: a radix search finds each digit by digit on order-preserving bits, with a histogram of the digits in
// shared memory. The token is then drawn with the Gumbel-max trick: of the kept tokens, the one with the greatest sum
// of scaled logit and Gumbel noise is a sample of their softmax.

#include "common/block_reduce.cuh"
#include "common/convert.cuh"
#include "reduction/ordered_bits.cuh"
#include "sampling/philox.cuh"
#include "common/operation.h"

namespace attention {

struct SampleTokensParams {
  Operand logits;                      // [rows, vocabulary]
  TypedOperand<const int> parameters;  // [6, rows]: the bits of temperature, top-p and min-p; top-k, seed, position
  TypedOperand<int> output;            // [rows]
  int rows;
  int vocabulary;
};

constexpr int digit_bits = 11;
constexpr int num_digits = 1 << digit_bits;
using Word64 = unsigned long long;

/// Shared memory of a block.
struct SampleMemory {
  uint32_t low_sums[num_digits];
  uint32_t high_sums[num_digits];
  Word64 per_warp[warp_size];
  uint32_t digit;
  Word64 passed;
};

/// The logits of a row, and their scaling.
template <typename T>
struct LogitRow {
  const T* logits;
  int vocabulary;
  float maximum;
  float temperature;

  /// The logarithm of a token's probability up to a constant. 0 for the maximum at any temperature.
  __device__ __forceinline__ float scaled(float logit) const {
    const float difference = logit - maximum;
    return difference == 0.0f ? 0.0f : difference / temperature;
  }

  /// Calls `visit(token, logit)` for every token of this thread. Elements before the first 16-byte boundary and after
  /// the last pack are visited singly.
  template <typename Visit>
  __device__ __forceinline__ void for_each(Visit visit) const {
    constexpr int N = pack_size<T>;
    const int past_boundary = int(reinterpret_cast<uintptr_t>(logits) / sizeof(T) % N);
    const int head = min((N - past_boundary) % N, vocabulary);
    const int packs = (vocabulary - head) / N;
    for (int token = threadIdx.x; token < head; token += blockDim.x) visit(token, to_float(logits[token]));
#pragma unroll 2
    for (int pack = threadIdx.x; pack < packs; pack += blockDim.x) {
      const int first = head + pack * N;
      float elements[N];
      load_pack<N>(elements, logits + first);
#pragma unroll
      for (int i = 0; i < N; i++) visit(first + i, elements[i]);
    }
    for (int token = head + packs * N + threadIdx.x; token < vocabulary; token += blockDim.x) {
      visit(token, to_float(logits[token]));
    }
  }
};

/// Encodes a token and its score so that the greater integer wins; of equal scores, the lower token.
__device__ __forceinline__ Word64 candidate(uint32_t bits, uint32_t token) { return Word64(bits) << 32 | ~token; }

/// The greatest of all threads' values, returned to all threads. `per_warp` may be reused after a barrier.
__device__ __forceinline__ Word64 block_max(Word64 value, Word64* per_warp) {
#pragma unroll
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const Word64 other = __shfl_xor_sync(all_lanes, value, step);
    value = other > value ? other : value;
  }
  if (threadIdx.x % warp_size == 0) per_warp[threadIdx.x / warp_size] = value;
  __syncthreads();
  for (unsigned i = 0; i < blockDim.x / warp_size; i++) value = per_warp[i] > value ? per_warp[i] : value;
  return value;
}

/// Finds the digit at which the sum of weights, accumulated from the greatest digit down, reaches `target`. `passed` is
/// the weight of greater logits. With `relative`, the target is a fraction of the total weight, and is made absolute.
__device__ __forceinline__ void find_digit(SampleMemory& memory, double& target, bool relative, Word64 passed) {
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int per_thread = (num_digits + blockDim.x - 1) / blockDim.x;
  const int top = num_digits - 1 - int(threadIdx.x) * per_thread;  // this thread's digits are top, top - 1, …
  Word64 own = 0;
  for (int i = 0; i < per_thread && top - i >= 0; i++) {
    own += Word64(memory.high_sums[top - i]) << 32 | memory.low_sums[top - i];
  }
  Word64 sum = own;
#pragma unroll
  for (int step = 1; step < warp_size; step *= 2) {
    const Word64 other = __shfl_up_sync(all_lanes, sum, step);
    if (lane >= step) sum += other;
  }
  if (lane == warp_size - 1) memory.per_warp[warp] = sum;
  __syncthreads();
  Word64 before = passed + sum - own;
  Word64 all = passed;
  for (int i = 0; i < int(blockDim.x) / warp_size; i++) {
    if (i < warp) before += memory.per_warp[i];
    all += memory.per_warp[i];
  }
  if (relative) target *= double(all);
  for (int i = 0; i < per_thread && top - i >= 0; i++) {
    const Word64 after = before + (Word64(memory.high_sums[top - i]) << 32 | memory.low_sums[top - i]);
    if (double(before) < target && double(after) >= target) {
      memory.digit = top - i;
      memory.passed = before;
    }
    before = after;
  }
  __syncthreads();
}

/// Finds the largest logit such that it and all larger ones together weigh `target`. A logit weighs 1, or with
/// `ByProbability` its probability, and the target is then a fraction of the total. Only logits from `lowest` up count;
/// returns 0 if all together weigh less. `lowest` and the result are ordered bits. Weights are summed as integers,
/// which makes the sum independent of the order: probabilities count in units of 2^-31 of the largest.
template <bool ByProbability, typename T>
__device__ __noinline__ uint32_t select_threshold(const LogitRow<T>& row, uint32_t lowest, double target,
                                                  SampleMemory& memory) {
  uint32_t threshold = 0;
  Word64 passed = 0;
  for (int end = 32; end > 0;) {
    const int bits = min(end, digit_bits);
    const int shift = end - bits;
    for (int i = threadIdx.x; i < num_digits; i += blockDim.x) memory.low_sums[i] = memory.high_sums[i] = 0;
    if (threadIdx.x == 0) {
      memory.digit = 0;
      memory.passed = 0;
    }
    __syncthreads();
    row.for_each([&](int, float logit) {
      const uint32_t ordered = ordered_bits(logit);
      if (ordered < lowest || (uint64_t(ordered) >> end) != (uint64_t(threshold) >> end)) return;
      if (ordered == ordered_minus_infinity) return;  // excluded: often most are, and their atomics would serialize
      const uint32_t weight = ByProbability ? uint32_t(expf(row.scaled(logit)) * 2147483648.0f + 0.5f) : 1;
      if (weight == 0) return;
      const uint32_t digit = ordered >> shift & ((1u << bits) - 1);
      const uint32_t before = atomicAdd(&memory.low_sums[digit], weight);
      if (before + weight < before) atomicAdd(&memory.high_sums[digit], 1u);
    });
    __syncthreads();
    find_digit(memory, target, ByProbability && end == 32, passed);
    threshold |= memory.digit << shift;
    passed = memory.passed;
    end = shift;
    __syncthreads();
  }
  return threshold;
}

/// Finds the token with the greatest sum of scaled logit and noise among those whose logit is at least the threshold
/// and whose scaled logit is at least `smallest`. `bound` is the score of `most_likely`, which is one of them; tokens
/// that cannot exceed it even with the largest noise are skipped.
template <typename T>
__device__ __forceinline__ Word64 best_candidate(const LogitRow<T>& row, uint32_t threshold, float smallest, float bound,
                                                 uint32_t most_likely, uint32_t seed, uint32_t position) {
  Word64 best = candidate(ordered_bits(bound), most_likely);
  for (int block = threadIdx.x; block <= (row.vocabulary - 1) / 4; block += blockDim.x) {
    float scores[4];
    bool any = false;  // whether one of them could win
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int token = 4 * block + i;
      const float logit = token < row.vocabulary ? to_float(row.logits[token]) : -__builtin_huge_valf();
      scores[i] = row.scaled(logit);
      if (ordered_bits(logit) < threshold || scores[i] < smallest) scores[i] = -__builtin_huge_valf();
      any = any || scores[i] + largest_gumbel_noise >= bound;
    }
    if (!any) continue;
    const uint4 words = philox4x32(uint4{uint32_t(block), position, 0, 0}, seed, 0);
    const uint32_t noise[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float score = scores[i] + gumbel_noise(noise[i]);
      if (score < bound) continue;
      const Word64 mine = candidate(ordered_bits(score), 4 * block + i);
      best = mine > best ? mine : best;
      bound = score;
    }
  }
  return best;
}

template <typename T>
__global__ void sample_tokens_kernel(SampleTokensParams params) {
  __shared__ SampleMemory memory;
  const int rows = params.rows;
  const int* parameters = params.parameters + blockIdx.x;
  const float temperature = __int_as_float(parameters[0]);
  const float top_p = __int_as_float(parameters[rows]);
  const float min_p = __int_as_float(parameters[2 * rows]);
  const int top_k = parameters[3 * rows];
  const auto seed = uint32_t(parameters[4 * rows]);
  const auto position = uint32_t(parameters[5 * rows]);
  LogitRow<T> row = {params.logits.as<T>() + int64_t(blockIdx.x) * params.vocabulary, params.vocabulary, 0.0f,
                     temperature};

  Word64 best = 0;
  uint32_t lowest = ~0u;
  row.for_each([&](int token, float logit) {
    const uint32_t bits = ordered_bits(logit);
    lowest = min(lowest, bits);
    const Word64 mine = candidate(bits, token);
    best = mine > best ? mine : best;
  });
  best = block_max(best, memory.per_warp);
  __syncthreads();
  lowest = ~uint32_t(block_max(~lowest, memory.per_warp));
  __syncthreads();
  const auto highest = uint32_t(best >> 32);
  const uint32_t most_likely = ~uint32_t(best);
  const bool valid = has_distribution(lowest, highest);
  if (!valid || temperature == 0.0f) {
    if (threadIdx.x == 0) params.output[blockIdx.x] = valid ? int(most_likely) : -1;
    return;
  }

  row.maximum = from_ordered_bits(highest);
  uint32_t threshold = 0;
  if (top_k > 0 && top_k < params.vocabulary) threshold = select_threshold<false>(row, threshold, top_k, memory);
  if (top_p < 1.0f) threshold = select_threshold<true>(row, threshold, top_p, memory);
  const float smallest = min_p > 0.0f ? logf(min_p) : -__builtin_huge_valf();
  const uint4 words = philox4x32(uint4{most_likely / 4, position, 0, 0}, seed, 0);
  const uint32_t noise[4] = {words.x, words.y, words.z, words.w};
  const float bound = gumbel_noise(noise[most_likely % 4]);
  best = block_max(best_candidate(row, threshold, smallest, bound, most_likely, seed, position), memory.per_warp);
  if (threadIdx.x == 0) params.output[blockIdx.x] = int(~uint32_t(best));
}

}  // namespace attention
