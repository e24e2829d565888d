#pragma once
// The work of one warp of decode attention: 16 rows against the warp's slice of each tile of keys, with its own online
// softmax (FlashAttention-2, Dao 2023).

#include "attention/attention_decode_load.cuh"
#include "common/convert.cuh"

namespace attention {

/// Rounds two floats to T and packs them, the first in the low half.
template <typename T>
__device__ __forceinline__ uint32_t round_pair(float first, float second) {
  const Pack<T, 2> pack{{from_float<T>(first), from_float<T>(second)}};
  return *reinterpret_cast<const uint32_t*>(&pack);
}

/// tanh with an absolute error of about 1e-7; NaN stays NaN.
__device__ __forceinline__ float tanh_approximate(float value) {
  return 1.0f - __fdividef(2.0f, 1.0f + exp2_approximate(value * (2.0f * log2_e)));
}

/// The two rows of which a lane holds fragments.
struct LaneRows {
  KeyRange keys[2];  // empty if the row does not exist
  float slope[2];
  int position[2];
  KeyRange kept_by_all;
};

/// The position of a row of an output tile in the batch.
struct RowPlace {
  int token;  // of the sequence
  int head;
  int64_t index;  // output_row
};

__device__ __forceinline__ RowPlace row_place(const AttentionParams& params, const DecodeConfig& config,
                                              const Segment& segment, int row) {
  const int group = params.heads / params.kv_heads;
  const int row_of_kv_head = segment.output_tile % config.row_tiles * (16 * config.row_groups) + row;
  RowPlace place;
  place.token = row_of_kv_head / group;
  place.head = segment.output_tile / config.row_tiles * group + row_of_kv_head % group;
  place.index = output_row(params, segment.work.query.first_token + place.token, place.head);
  return place;
}

__device__ __forceinline__ int count_rows(const AttentionParams& params, const DecodeConfig& config,
                                          const Segment& segment) {
  const int group = params.heads / params.kv_heads;
  const int rows_per_tile = 16 * config.row_groups;
  return min(segment.work.query.length * group - segment.output_tile % config.row_tiles * rows_per_tile, rows_per_tile);
}

/// One warp's rows and their running sums.
template <typename T, int Padded>
struct DecodeWarp {
  static constexpr int slabs = slabs_per_slice<Padded>;

  uint32_t query[Padded / 16][4];
  LaneRows rows;
  float out[Padded / 8][4];
  float maximum[2];
  float sum[2];  // over the lane's keys

  __device__ __forceinline__ void start(const AttentionParams& params, const DecodeConfig& config,
                                        const Segment& segment, int row_group) {
    const int lane = threadIdx.x % warp_size;
    const int num_rows = count_rows(params, config, segment);
    const int capacity = key_capacity(params);
    const int context = segment.work.context;
    const int first_position = context - segment.work.query.length;
    rows.kept_by_all.begin = kept_keys(params, context - 1, context, capacity).begin;
    rows.kept_by_all.end = kept_keys(params, first_position, context, capacity).end;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = row_group * 16 + lane / 4 + i * 8;
      const bool is_row = row < num_rows;
      const RowPlace place = row_place(params, config, segment, is_row ? row : 0);
      rows.position[i] = first_position + place.token;
      rows.slope[i] = params.alibi_slopes ? params.alibi_slopes[place.head] * log2_e : 0.0f;
      rows.keys[i] = is_row ? kept_keys(params, rows.position[i], context, capacity) : KeyRange{0, 0};
      const T* source = static_cast<const T*>(params.query.data) + place.index * params.head_size;
#pragma unroll
      for (int k = 0; k < Padded / 16; k++) {
#pragma unroll
        for (int high = 0; high < 2; high++) {
          const int d = k * 16 + high * 8 + lane % 4 * 2;
          const bool is_there = is_row && d < params.head_size;
          query[k][high * 2 + i] = is_there ? *reinterpret_cast<const uint32_t*>(source + d) : 0u;
        }
      }
      maximum[i] = -infinity;
      sum[i] = 0.0f;
    }
#pragma unroll
    for (int j = 0; j < Padded / 8; j++) {
#pragma unroll
      for (int i = 0; i < 4; i++) out[j][i] = 0.0f;
    }
  }

  /// Processes a slice of keys starting at `first_key`.
  template <bool Vllm>
  __device__ __forceinline__ void add_slice(const unsigned char* memory, const AttentionParams& params,
                                            const KeyRange& needed, int first_key) {
    const int lane = threadIdx.x % warp_size;
    float scores[slabs * 2][4];
    multiply_keys(memory, scores);
    finish_scores(params, first_key, scores);
    update_maximum(scores);
    const bool is_edge = first_key < needed.begin || first_key + slabs * slab_keys > needed.end;
#pragma unroll
    for (int slab = 0; slab < slabs; slab++) {
      uint32_t probabilities[4];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float(&score)[4] = scores[slab * 2 + half];
#pragma unroll
        for (int i = 0; i < 4; i++) sum[i / 2] += score[i];
        probabilities[half * 2] = round_pair<T>(score[0], score[1]);
        probabilities[half * 2 + 1] = round_pair<T>(score[2], score[3]);
      }
      uint32_t masks[2] = {0xffffffffu, 0xffffffffu};
      if (Vllm && is_edge) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const int key = first_key + slab * slab_keys + half * 8 + lane % 4 * 2;
          masks[half] = (key >= needed.begin && key < needed.end ? 0xffffu : 0u) |
                        (key + 1 >= needed.begin && key + 1 < needed.end ? 0xffff0000u : 0u);
        }
      }
      const unsigned char* values = memory + (slabs + slab) * slab_bytes<Padded>;
#pragma unroll
      for (int j = 0; j < Padded / 16; j++) {
        uint32_t fragments[4];
        if constexpr (Vllm) {
          load_matrices(fragments, values + column_chunk(j * 16 + lane / 16 * 8 + lane % 8, lane / 8 % 2));
#pragma unroll
          for (int i = 0; i < 4; i++) fragments[i] &= masks[i % 2];
        } else {
          load_matrices_transposed(fragments, values + row_chunk<Padded>(lane % 16, j * 2 + lane / 16));
        }
        multiply_matrices<T>(out[j * 2], probabilities, {fragments[0], fragments[1]});
        multiply_matrices<T>(out[j * 2 + 1], probabilities, {fragments[2], fragments[3]});
      }
    }
  }

 private:
  __device__ __forceinline__ void multiply_keys(const unsigned char* memory, float (&scores)[slabs * 2][4]) const {
    const int lane = threadIdx.x % warp_size;
    // Two accumulators per score, because each product waits for the previous one on the same accumulator.
    float odd_scores[slabs * 2][4];
#pragma unroll
    for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) scores[n][i] = odd_scores[n][i] = 0.0f;
    }
#pragma unroll
    for (int k = 0; k < Padded / 16; k++) {
#pragma unroll
      for (int slab = 0; slab < slabs; slab++) {
        uint32_t fragments[4];
        const int key = lane / 16 * 8 + lane % 8;
        load_matrices(fragments,
                      memory + slab * slab_bytes<Padded> + row_chunk<Padded>(key, k * 2 + lane / 8 % 2));
        float(&low)[4] = k % 2 == 0 ? scores[slab * 2] : odd_scores[slab * 2];
        float(&high)[4] = k % 2 == 0 ? scores[slab * 2 + 1] : odd_scores[slab * 2 + 1];
        multiply_matrices<T>(low, query[k], {fragments[0], fragments[1]});
        multiply_matrices<T>(high, query[k], {fragments[2], fragments[3]});
      }
    }
#pragma unroll
    for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) scores[n][i] += odd_scores[n][i];
    }
  }

  /// Turns products into base-2 scores; -infinity if the row does not keep the key.
  __device__ __forceinline__ void finish_scores(const AttentionParams& params, int first_key,
                                                float (&scores)[slabs * 2][4]) const {
    const ScoreFactors factors = score_factors(params);
    const int lane_key = first_key + threadIdx.x % 4 * 2;
#pragma unroll
    for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) scores[n][i] *= factors.product;
    }
    if (factors.cap > 0.0f) {
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[n][i] = factors.cap * tanh_approximate(scores[n][i]);
      }
    }
    if (params.alibi_slopes) {
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          scores[n][i] += rows.slope[i / 2] * float(lane_key + n * 8 + i % 2 - rows.position[i / 2]);
        }
      }
    }
    if (first_key >= rows.kept_by_all.begin && first_key + slabs * slab_keys <= rows.kept_by_all.end) return;
#pragma unroll
    for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int key = lane_key + n * 8 + i % 2;
        const bool is_kept = key >= rows.keys[i / 2].begin && key < rows.keys[i / 2].end;
        scores[n][i] = is_kept ? scores[n][i] : -infinity;
      }
    }
  }

  /// Turns scores into exponentials, and rescales the sums if a maximum has grown. fmaxf ignores NaN, so a NaN score
  /// never becomes the maximum, but it propagates through the sums.
  __device__ __forceinline__ void update_maximum(float (&scores)[slabs * 2][4]) {
    float rescale[2];
    bool grows = false;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float largest = -infinity;
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) largest = fmaxf(largest, fmaxf(scores[n][i * 2], scores[n][i * 2 + 1]));
      largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, 2));
      largest = fmaxf(largest, maximum[i]);
      const float reference = largest == -infinity ? 0.0f : largest;
      rescale[i] = exp2_approximate(maximum[i] - reference);
      grows = grows || largest != maximum[i];
      maximum[i] = largest;
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) {
        scores[n][i * 2] = exp2_approximate(scores[n][i * 2] - reference);
        scores[n][i * 2 + 1] = exp2_approximate(scores[n][i * 2 + 1] - reference);
      }
    }
    if (!__any_sync(all_lanes, grows)) return;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      sum[i] *= rescale[i];
#pragma unroll
      for (int j = 0; j < Padded / 8; j++) {
        out[j][i * 2] *= rescale[i];
        out[j][i * 2 + 1] *= rescale[i];
      }
    }
  }
};

}  // namespace attention
