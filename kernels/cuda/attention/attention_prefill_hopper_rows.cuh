#pragma once
// Scores to probabilities, in the register fragments of a warpgroup's products (see multiply_shared in wgmma.cuh): a
// thread holds columns 8 j + 2 (lane % 4) and the next one, of row lane / 4 of its warp's 16 rows and of the row 8
// below.

#include "attention/attention_prefill_hopper_work.cuh"
#include "attention/attention_prefill_scores.cuh"

namespace attention {

/// The state of a thread's two rows.
struct HopperRows {
  KeyRange kept[2];
  float reference[2];  // of the exponentials, in units of scores; at most max_lag below the maximum
  float sum[2];        // over the thread's columns
  float slope[2];      // ALiBi, in units of scores
  int position[2];
};

/// The index in the tile of the thread's first row. Consumer warps follow the loading warpgroup.
__device__ __forceinline__ int first_row_of_thread() {
  return (threadIdx.x / warp_size - 4) * 16 + threadIdx.x % warp_size / 4;
}

/// Applies softcap or ALiBi to the scores of keys starting at `key`.
template <Modifiers Modified, typename T, int Count>
__device__ __forceinline__ void modify_scores(float (&scores)[Count], const HopperRows& rows, int key,
                                              float product_factor) {
  if constexpr (Modified == Modifiers::softcap) {
#pragma unroll
    for (int i = 0; i < Count; i++) scores[i] = capped<T>(scores[i] * product_factor);
  }
  if constexpr (Modified == Modifiers::alibi) {
    const int column = key + threadIdx.x % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float bias = rows.slope[half] * float(column - rows.position[half]);
#pragma unroll
      for (int j = 0; j < Count / 4; j++) {
#pragma unroll
        for (int i = 0; i < 2; i++) scores[j * 4 + half * 2 + i] += fmaf(rows.slope[half], float(j * 8 + i), bias);
      }
    }
  }
}

/// Sets scores of keys that their row does not keep to -infinity, and those of bad boxes to NaN.
template <int Count>
__device__ __forceinline__ void mask_scores(float (&scores)[Count], const HopperRows& rows, int key, unsigned bad_boxes,
                                            int box_keys) {
  const int column = key + threadIdx.x % 4 * 2;
#pragma unroll
  for (int j = 0; j < Count / 4; j++) {
    const bool bad = bad_boxes != 0 && (bad_boxes >> (j * 8 / box_keys) & 1) != 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float& score = scores[j * 4 + i];
      const KeyRange& kept = rows.kept[i / 2];
      if (bad) score = nan_value();
      if (column + j * 8 + i % 2 < kept.begin || column + j * 8 + i % 2 >= kept.end) score = -infinity;
    }
  }
}

/// Turns scores into probabilities, 2^(factor * (score - reference)). Returns true if references have moved: then
/// earlier sums must be multiplied by `rescale`.
template <int Count>
__device__ __forceinline__ bool update_rows(float (&scores)[Count], HopperRows& rows, float (&rescale)[2],
                                            float factor) {
  float largest[2];
  bool moves = false;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    // Two independent maxima, to shorten the dependency chain.
    float even = fmaxf(scores[half * 2], scores[half * 2 + 1]);
    float odd = fmaxf(scores[4 + half * 2], scores[4 + half * 2 + 1]);
#pragma unroll
    for (int j = 2; j < Count / 4; j += 2) {
      even = fmaxf(even, fmaxf(scores[j * 4 + half * 2], scores[j * 4 + half * 2 + 1]));
      odd = fmaxf(odd, fmaxf(scores[j * 4 + 4 + half * 2], scores[j * 4 + 4 + half * 2 + 1]));
    }
    largest[half] = fmaxf(even, odd);
    largest[half] = fmaxf(largest[half], __shfl_xor_sync(all_lanes, largest[half], 1));
    largest[half] = fmaxf(largest[half], __shfl_xor_sync(all_lanes, largest[half], 2));
    // True also for -infinity to any other value; false for -infinity to -infinity, whose difference is NaN.
    moves |= (largest[half] - rows.reference[half]) * factor > max_lag;
  }
  moves = __any_sync(all_lanes, moves);
  if (moves) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float larger = fmaxf(rows.reference[half], largest[half]);
      rescale[half] = larger == -infinity ? 1.0f : exp2_approximate((rows.reference[half] - larger) * factor);
      rows.reference[half] = larger;
      rows.sum[half] *= rescale[half];
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float reference = rows.reference[half] == -infinity ? 0.0f : rows.reference[half] * factor;
    float even = 0.0f;
    float odd = 0.0f;
#pragma unroll
    for (int j = 0; j < Count / 4; j++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        float& score = scores[j * 4 + half * 2 + i];
        score = exp2_approximate(fmaf(score, factor, -reference));
        (i == 0 ? even : odd) += score;
      }
    }
    rows.sum[half] += even + odd;
  }
  return moves;
}

/// Packs probabilities as operand a of the product with values.
template <typename T, int Count>
__device__ __forceinline__ void pack_weights(uint32_t (&weights)[Count / 8][4], const float (&scores)[Count]) {
#pragma unroll
  for (int k = 0; k < Count / 8; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) weights[k][i] = pack_pair<T>(scores[k * 8 + i * 2], scores[k * 8 + i * 2 + 1]);
  }
}

/// Transposes among four lanes: each has one pair of each of four chunks of 8 elements, and then one whole chunk,
/// number lane % 4.
__device__ __forceinline__ void exchange_chunks(uint32_t (&pairs)[4]) {
  const int lane = threadIdx.x % 4;
#pragma unroll
  for (int bit = 1; bit <= 2; bit *= 2) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (i & bit) continue;
      const bool upper = lane & bit;
      const uint32_t received = __shfl_xor_sync(all_lanes, upper ? pairs[i] : pairs[i | bit], bit);
      (upper ? pairs[i] : pairs[i | bit]) = received;
    }
  }
}

/// Divides the outputs of a thread's rows by their sums and stores them.
template <typename T, typename Tile>
__device__ __forceinline__ void store_rows(const float (&outputs)[Tile::head_size / 2], const HopperRows& rows,
                                           float factor, const AttentionParams& params, const HopperWork& work) {
  const int group = params.heads / params.kv_heads;
  const int lane = threadIdx.x % warp_size;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int row = first_row_of_thread() + half * 8;
    const bool valid = row < work.tile.num_rows;
    const int token = (work.tile.first_row + row) / group;
    const int head = work.kv_head * group + work.tile.first_row + row - token * group;
    const int64_t place = output_row(params, work.tile.first_token + token, head);
    float sum = rows.sum[half];
    sum += __shfl_xor_sync(all_lanes, sum, 1);
    sum += __shfl_xor_sync(all_lanes, sum, 2);
    RowResult result = {0.0f, 0.0f};
    if (valid) {
      result = finish_row(rows.reference[half] * factor, sum, params.sinks, head);
      if (params.lse && lane % 4 == 0) params.lse[place] = result.lse;
    }
    T* output = static_cast<T*>(params.output.data) + place * params.head_size;
#pragma unroll
    for (int c = 0; c < Tile::head_size / 8; c += 4) {
      uint32_t pairs[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float* pair = &outputs[(c + i) * 4 + half * 2];
        pairs[i] = pack_pair<T>(pair[0] * result.factor, pair[1] * result.factor);
      }
      exchange_chunks(pairs);
      const int first = (c + lane % 4) * 8;
      if (valid && first < params.head_size) {
        *reinterpret_cast<uint4*>(output + first) = {pairs[0], pairs[1], pairs[2], pairs[3]};
      }
    }
  }
}

/// Stores zeros for rows without keys.
template <typename T>
__device__ __forceinline__ void store_no_rows(const AttentionParams& params, const HopperWork& work) {
  const int group = params.heads / params.kv_heads;
  const int chunks = params.head_size / 8;
  const int first = (threadIdx.x / warp_size - 4) * 16;  // first row of the warp
#pragma unroll 1
  for (int row = first; row < min(first + 16, work.tile.num_rows); row++) {
    const int token = (work.tile.first_row + row) / group;
    const int head = work.kv_head * group + work.tile.first_row + row - token * group;
    const int64_t place = output_row(params, work.tile.first_token + token, head);
    uint4* output = reinterpret_cast<uint4*>(static_cast<T*>(params.output.data) + place * params.head_size);
    const int lane = threadIdx.x % warp_size;
    if (lane < chunks) output[lane] = {0, 0, 0, 0};
    if (params.lse && lane == 0) params.lse[place] = -infinity;
  }
}

}  // namespace attention
