// Samples a token for each row of logits, one threadgroup per row. Each filter (top-k, top-p, min-p) amounts to a
// threshold on the logits; top-k and top-p find theirs digit by digit on the logits' ordered bits, as a radix select
// does. Of the kept tokens, the one with the largest sum of scaled logit and Gumbel noise wins, which samples from the
// softmax (the Gumbel-max trick).
#include "reduction/ordered_bits.h"
#include "sampling/philox.h"

struct SampleTokensParams {
  uint rows;
  uint vocabulary;
};

/// A thread's position in its threadgroup.
struct ThreadPlace {
  uint index;
  uint num_threads;
  uint simdgroup;
  uint num_simdgroups;
  uint lane;
};

/// The logits of a row and their scaling.
template <typename T>
struct Row {
  device const T* logits;
  uint vocabulary;
  float maximum;
  float temperature;

  uint bits(uint token) const { return ordered_bits(float(logits[token])); }

  /// The logarithm of a token's probability up to a constant: 0 for the maximum, at any temperature.
  float scaled(uint token) const {
    const float difference = float(logits[token]) - maximum;
    return difference == 0.0f ? 0.0f : difference / temperature;
  }
};

struct Candidate {
  uint bits;
  uint token;
};

/// The candidate with the greatest bits among all threads; ties go to the lowest token.
inline Candidate best_of_threadgroup(Candidate mine, threadgroup Candidate* candidates, ThreadPlace place) {
  Candidate best;
  best.bits = simd_max(mine.bits);
  best.token = simd_min(mine.bits == best.bits ? mine.token : 0xffffffffu);
  if (place.num_simdgroups == 1) return best;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (place.lane == 0) candidates[place.simdgroup] = best;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = 0; i < place.num_simdgroups; i++) {
    const uint bits = candidates[i].bits;
    const uint token = candidates[i].token;
    if (bits > best.bits || (bits == best.bits && token < best.token)) {
      best.bits = bits;
      best.token = token;
    }
  }
  return best;
}

constant constexpr uint digit_bits = 4;
constant constexpr uint num_digits = 1 << digit_bits;

/// The largest threshold such that the logits at or above it together weigh at least `target`. A logit weighs 1, or its
/// probability if `by_probability`. Logits below `lowest` do not count. If `relative`, the target is a fraction of the
/// total weight. `lowest` and the result are ordered bits. `partial_sums` has room for 2 * num_digits * 32 floats.
template <bool by_probability, typename T>
inline uint select_threshold(Row<T> row, uint lowest, float target, bool relative, threadgroup float* partial_sums,
                             ThreadPlace place) {
  uint threshold = 0;
  for (int shift = 32 - digit_bits; shift >= 0; shift -= digit_bits) {
    // sums[digit]: the weight of all logits at or above each value of this digit.
    float sums[num_digits];
    for (uint digit = 0; digit < num_digits; digit++) sums[digit] = 0.0f;
    for (uint token = place.index; token < row.vocabulary; token += place.num_threads) {
      const uint bits = row.bits(token);
      if (bits < lowest || bits < threshold) continue;
      const float weight = by_probability ? precise::exp(row.scaled(token)) : 1.0f;
      for (uint digit = 0; digit < num_digits; digit++) {
        sums[digit] += bits >= (threshold | digit << shift) ? weight : 0.0f;
      }
    }
    // With only one simdgroup, the lanes' sums are added below without a simd_sum. Alternating between two buffers
    // saves a barrier per digit.
    const bool alone = place.num_simdgroups == 1;
    const uint num_parts = alone ? 32 : place.num_simdgroups;
    threadgroup float* parts = partial_sums + (shift / digit_bits % 2) * num_digits * 32;
    for (uint digit = 0; digit < num_digits; digit++) {
      const float sum = alone ? sums[digit] : simd_sum(sums[digit]);
      if (alone || place.lane == 0) parts[digit * 32 + (alone ? place.lane : place.simdgroup)] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float sum = 0.0f;
    if (place.lane < num_digits) {
      for (uint i = 0; i < num_parts; i++) sum += parts[place.lane * 32 + i];
    }
    if (relative) {
      target *= simd_broadcast(sum, 0);
      relative = false;
    }
    threshold |= simd_max(place.lane < num_digits && sum >= target ? place.lane : 0) << shift;
  }
  return threshold;
}

template <typename T>
[[kernel]] void sample_tokens(device const T* logits [[buffer(0)]],
                              device const int* parameters [[buffer(1)]],
                              device int* output [[buffer(2)]],
                              constant SampleTokensParams& params [[buffer(3)]],
                              uint row_index [[threadgroup_position_in_grid]],
                              uint thread_index [[thread_index_in_threadgroup]],
                              uint num_threads [[threads_per_threadgroup]],
                              uint simdgroup [[simdgroup_index_in_threadgroup]],
                              uint num_simdgroups [[simdgroups_per_threadgroup]],
                              uint lane [[thread_index_in_simdgroup]]) {
  threadgroup Candidate candidates[32];
  threadgroup Candidate lowest_candidates[32];
  threadgroup float partial_sums[2 * num_digits * 32];
  const ThreadPlace place = {thread_index, num_threads, simdgroup, num_simdgroups, lane};

  const uint rows = params.rows;
  const float temperature = as_type<float>(parameters[row_index]);
  const float top_p = as_type<float>(parameters[rows + row_index]);
  const float min_p = as_type<float>(parameters[2 * rows + row_index]);
  const int top_k = parameters[3 * rows + row_index];
  const uint seed = uint(parameters[4 * rows + row_index]);
  const uint position = uint(parameters[5 * rows + row_index]);
  Row<T> row = {logits + ulong(row_index) * params.vocabulary, params.vocabulary, 0.0f, temperature};

  Candidate mine = {0, 0};
  uint lowest = 0xffffffffu;
  for (uint token = thread_index; token < row.vocabulary; token += num_threads) {
    const uint bits = row.bits(token);
    lowest = min(lowest, bits);
    if (bits > mine.bits) mine = Candidate{bits, token};
  }
  const Candidate most_likely = best_of_threadgroup(mine, candidates, place);
  // The lowest value has the greatest complement.
  lowest = ~best_of_threadgroup(Candidate{~lowest, 0}, lowest_candidates, place).bits;
  const bool valid = has_distribution(lowest, most_likely.bits);
  if (!valid || temperature == 0.0f) {
    if (thread_index == 0) output[row_index] = valid ? int(most_likely.token) : -1;
    return;
  }

  row.maximum = from_ordered_bits(most_likely.bits);
  uint threshold = 0;
  if (top_k > 0 && uint(top_k) < row.vocabulary) {
    threshold = select_threshold<false>(row, threshold, float(top_k), false, partial_sums, place);
  }
  if (top_p < 1.0f) {
    // A GPU may flush a smaller target to 0, which every threshold meets.
    const float target = max(top_p, numeric_limits<float>::min());
    threshold = select_threshold<true>(row, threshold, target, true, partial_sums, place);
  }
  const float smallest = min_p > 0.0f ? precise::log(min_p) : -INFINITY;

  // Four tokens at a time: one Philox call gives the noise of all four.
  mine = Candidate{0, 0};
  float best_score = -INFINITY;
  for (uint block = thread_index; 4 * block < row.vocabulary; block += num_threads) {
    float scores[4];
    bool any = false;  // whether one of them might win
    for (uint i = 0; i < 4; i++) {
      const uint token = 4 * block + i;
      const bool kept = token < row.vocabulary && row.bits(token) >= threshold;
      scores[i] = kept ? row.scaled(token) : -INFINITY;
      if (scores[i] < smallest) scores[i] = -INFINITY;
      any = any || scores[i] + largest_gumbel_noise >= best_score;
    }
    if (!any) continue;
    const uint4 words = philox4x32(uint4(block, position, 0, 0), uint2(seed, 0));
    for (uint i = 0; i < 4; i++) {
      const float score = scores[i] + gumbel_noise(words[i]);
      if (score > best_score) {
        best_score = score;
        mine = Candidate{ordered_bits(score), 4 * block + i};
      }
    }
  }
  const Candidate best = best_of_threadgroup(mine, candidates, place);
  if (thread_index == 0) output[row_index] = int(best.token);
}

#define instantiate_sample_tokens(type)                                                      \
  template [[host_name("sample_tokens_" #type)]] [[kernel]] void sample_tokens<type>(        \
      device const type*, device const int*, device int*, constant SampleTokensParams&,      \
      uint, uint, uint, uint, uint, uint);

instantiate_sample_tokens(float)
instantiate_sample_tokens(half)
instantiate_sample_tokens(bfloat)
