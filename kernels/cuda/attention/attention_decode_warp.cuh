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

/// The position of a row of an output tile in the batch.
struct RowPlace {
  int token;  // of the sequence
  int head;
  int64_t index;  // output_row
};

__device__ __forceinline__ RowPlace row_place(const AttentionParams& params, const DecodeConfig& config,
                                              const Segment& segment, int row) {
  const int row_of_kv_head = segment.row_tile * (16 * config.row_groups) + row;
  RowPlace place;
  place.token = segment.work.query.length == 1 ? 0 : row_of_kv_head / config.group;
  place.head = segment.kv_head * config.group + row_of_kv_head - place.token * config.group;
  place.index = output_row(params, segment.work.query.first_token + place.token, place.head);
  return place;
}

__device__ __forceinline__ int count_rows(const DecodeConfig& config, const Segment& segment) {
  const int rows_per_tile = 16 * config.row_groups;
  return min(segment.work.query.length * config.group - segment.row_tile * rows_per_tile, rows_per_tile);
}

/// Copies the queries of a group of 16 rows to shared memory as [16][Padded], with zeros for rows that do not exist. Each
/// slice's warp copies a part.
template <typename T, int Padded>
__device__ __forceinline__ void load_queries(const AttentionParams& params, const DecodeConfig& config,
                                             const Segment& segment, int slice, int row_group, unsigned char* target) {
  constexpr int chunks = Padded / chunk_elements;
  const int num_rows = count_rows(config, segment);
#pragma unroll 1
  for (int i = slice * warp_size + threadIdx.x % warp_size; i < 16 * chunks; i += config.slices * warp_size) {
    const int row = row_group * 16 + i / chunks;
    const int chunk = i % chunks;
    uint4 query{0, 0, 0, 0};
    if (row < num_rows && chunk * chunk_elements < params.head_size) {
      const int64_t index = row_place(params, config, segment, row).index;
      query = *reinterpret_cast<const uint4*>(static_cast<const T*>(params.query.data) + index * params.head_size +
                                              chunk * chunk_elements);
    }
    *reinterpret_cast<uint4*>(target + row_chunk<Padded>(i / chunks, chunk)) = query;
  }
}

/// One warp's rows and their running sums.
template <typename T, int Padded>
struct DecodeWarp {
  static constexpr int slabs = slabs_per_slice<Padded>;

  uint32_t queries;  // shared address of [16][Padded]
  float out[Padded / 8][4];
  float maximum[2];  // the reference of the exponentials, see update_maximum
  float sum[2];      // over the lane's keys

  __device__ __forceinline__ explicit DecodeWarp(uint32_t queries) : queries(queries) {}

  __device__ __forceinline__ void start() {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      maximum[i] = -infinity;
      sum[i] = 0.0f;
    }
#pragma unroll
    for (int j = 0; j < Padded / 8; j++) {
#pragma unroll
      for (int i = 0; i < 4; i++) out[j][i] = 0.0f;
    }
  }

  /// Processes a slice of keys starting at `first_key`. Bit i of `missing` says that eight keys from 8 * i on have no
  /// block in the cache: their scores become NaN.
  template <bool Vllm>
  __device__ __forceinline__ void add_slice(uint32_t stage, const AttentionParams& params,
                                            const DecodeConfig& config, const Segment& segment, int row_group,
                                            int first_key, unsigned missing) {
    const int lane = threadIdx.x % warp_size;
    const KeyRange needed = segment.work.keys;
    float scores[slabs * 2][4];
    multiply_keys(stage, scores);
    if (missing != 0) {
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[n][i] = missing >> n & 1 ? nan_value() : scores[n][i];
      }
    }
    finish_scores(params, config, segment, row_group, first_key, scores);
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
      const uint32_t values = stage + (slabs + slab) * slab_bytes<Padded>;
      const uint32_t row = values + row_chunk<Padded>(lane % 16, lane / 16);
#pragma unroll
      for (int j = 0; j < Padded / 16; j++) {
        uint32_t fragments[4];
        if constexpr (Vllm) {
          load_matrices(fragments, values + column_chunk(j * 16 + lane / 16 * 8 + lane % 8, lane / 8 % 2));
#pragma unroll
          for (int i = 0; i < 4; i++) fragments[i] &= masks[i % 2];
        } else {
          load_matrices_transposed(fragments, chunk_pair(row, j));
        }
        multiply_matrices<T>(out[j * 2], probabilities, {fragments[0], fragments[1]});
        multiply_matrices<T>(out[j * 2 + 1], probabilities, {fragments[2], fragments[3]});
      }
    }
  }

 private:
  __device__ __forceinline__ void multiply_keys(uint32_t stage, float (&scores)[slabs * 2][4]) const {
    const int lane = threadIdx.x % warp_size;
    // Two accumulators per score, because each product waits for the previous one on the same accumulator.
    float odd_scores[slabs * 2][4];
#pragma unroll
    for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) scores[n][i] = odd_scores[n][i] = 0.0f;
    }
    const uint32_t query_row = queries + row_chunk<Padded>(lane % 16, lane / 16);
#pragma unroll
    for (int k = 0; k < Padded / 16; k++) {
      uint32_t query[4];
      load_matrices(query, chunk_pair(query_row, k));
#pragma unroll
      for (int slab = 0; slab < slabs; slab++) {
        uint32_t fragments[4];
        const uint32_t row = stage + slab * slab_bytes<Padded> +
                             row_chunk<Padded>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
        load_matrices(fragments, chunk_pair(row, k));
        float(&low)[4] = k % 2 == 0 ? scores[slab * 2] : odd_scores[slab * 2];
        float(&high)[4] = k % 2 == 0 ? scores[slab * 2 + 1] : odd_scores[slab * 2 + 1];
        multiply_matrices<T>(low, query, {fragments[0], fragments[1]});
        multiply_matrices<T>(high, query, {fragments[2], fragments[3]});
      }
    }
#pragma unroll
    for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) scores[n][i] += odd_scores[n][i];
    }
  }

  /// Turns products into base-2 scores; -infinity if the row does not keep the key.
  __device__ __forceinline__ void finish_scores(const AttentionParams& params, const DecodeConfig& config,
                                                const Segment& segment, int row_group, int first_key,
                                                float (&scores)[slabs * 2][4]) const {
    const ScoreFactors factors = score_factors(params);
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
    const KeyRange all = segment.work.kept_by_all;
    const bool keeps_all = first_key >= all.begin && first_key + slabs * slab_keys <= all.end;
    if (!params.alibi_slopes && keeps_all) return;

    const int num_rows = count_rows(config, segment);
    const int lane_key = first_key + threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = row_group * 16 + threadIdx.x % warp_size / 4 + i * 8;
      const bool is_row = row < num_rows;
      const RowPlace place = row_place(params, config, segment, is_row ? row : 0);
      const int position = segment.work.context - segment.work.query.length + place.token;
      KeyRange keys = kept_keys(params, position, segment.work.context, key_capacity(params));
      if (!is_row) keys.end = keys.begin;
      const float slope = params.alibi_slopes ? params.alibi_slopes[place.head] * log2_e : 0.0f;
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
          const int key = lane_key + n * 8 + j;
          float& score = scores[n][i * 2 + j];
          score = key >= keys.begin && key < keys.end ? score + slope * float(key - position) : -infinity;
        }
      }
    }
  }

  /// Turns scores into exponentials. They are relative to a reference rather than to the exact maximum: it changes, and
  /// the sums with it, only if a score exceeds it by more than `slack`, so that few tiles wait for the other lanes. A NaN
  /// score never becomes the reference, but it propagates through the sums.
  __device__ __forceinline__ void update_maximum(float (&scores)[slabs * 2][4]) {
    constexpr float slack = 8.0f;  // exponentials stay below 2^8
    float largest[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      largest[i] = -infinity;
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) largest[i] = fmaxf(largest[i], fmaxf(scores[n][i * 2], scores[n][i * 2 + 1]));
    }
    const bool grows = largest[0] > maximum[0] + slack || largest[1] > maximum[1] + slack;
    if (__any_sync(all_lanes, grows)) raise_maximum(largest);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const float reference = maximum[i] == -infinity ? 0.0f : maximum[i];
#pragma unroll
      for (int n = 0; n < slabs * 2; n++) {
        scores[n][i * 2] = exp2_approximate(scores[n][i * 2] - reference);
        scores[n][i * 2 + 1] = exp2_approximate(scores[n][i * 2 + 1] - reference);
      }
    }
  }

  __device__ __forceinline__ void raise_maximum(const float (&largest)[2]) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const float raised = fmaxf(maximum[i], warp_max<4>(largest[i]));
      const float rescale = exp2_approximate(maximum[i] - (raised == -infinity ? 0.0f : raised));
      maximum[i] = raised;
      sum[i] *= rescale;
#pragma unroll
      for (int j = 0; j < Padded / 8; j++) {
        out[j][i * 2] *= rescale;
        out[j][i * 2 + 1] *= rescale;
      }
    }
  }
};

}  // namespace attention
