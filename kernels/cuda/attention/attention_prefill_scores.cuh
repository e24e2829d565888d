#pragma once
// Products of queries and keys to probabilities, in a warp's register fragments (see multiply_matrices in ptx.cuh): of
// each 16x8 matrix, a lane holds columns 2p and 2p + 1 of rows g and g + 8, with p = lane % 4 and g = lane / 4.

#include "attention/attention_prefill_keys.cuh"
#include "common/convert.cuh"

namespace attention {

/// How far, in base 2, the reference of a row's exponentials may lag behind the maximum. This makes rescaling of sums
/// rare.
constexpr float max_lag = 8.0f;

/// tanh with the accuracy that scores of type T need.
template <typename T>
__device__ __forceinline__ float capped(float value) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return tanh_coarse(value);
  } else {
    const float exponential = exp2_approximate(value * (2.0f * log2_e));
    return 1.0f - __fdividef(2.0f, 1.0f + exponential);
  }
}

/// The position of a warp's rows, for masks and biases.
struct WarpRows {
  int first;           // in the tile of rows
  int first_position;  // of the sequence's first query
  int context;
  int capacity;
};

/// The modifications of scores that a kernel supports besides a positive scale. `any` supports all of them, and checks
/// which are present at run time.
enum class Modifiers { none, softcap, alibi, any };

/// Initializes the accumulators of the products: zeros, or ALiBi in units of the products.
template <Modifiers Modified, typename T, typename Tile, bool Vllm, int Rows, int Keys>
__device__ __forceinline__ void prepare_scores(float (&scores)[Rows][Keys][4], const PrefillKeys<T, Tile, Vllm>& keys,
                                               const WarpRows& rows, int first_key) {
  const int lane = threadIdx.x % warp_size;
#pragma unroll
  for (int r = 0; r < Rows; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float slope = 0.0f;
      float bias = 0.0f;
      if constexpr (Modified == Modifiers::alibi) {
        const int row = rows.first + r * 16 + half * 8 + lane / 4;
        slope = keys.memory.slopes[row];
        bias = slope * float(first_key + lane % 4 * 2 - rows.first_position - keys.memory.tokens[row]);
      }
#pragma unroll
      for (int k = 0; k < Keys; k++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          scores[r][k][half * 2 + i] = Modified == Modifiers::alibi ? fmaf(slope, float(k * 8 + i), bias) : 0.0f;
        }
      }
    }
  }
}

/// Applies softcap, ALiBi and the additive mask to products. The results are base-2 scores up to the kernel's factor.
/// `first_key` is the key of the first column.
template <Modifiers Modified, typename T, typename Tile, bool Vllm, int Rows, int Keys>
__device__ __forceinline__ void modify_scores(float (&scores)[Rows][Keys][4], const PrefillKeys<T, Tile, Vllm>& keys,
                                              const RowTile& tile, const WarpRows& rows, int first_key) {
  if constexpr (Modified == Modifiers::none || Modified == Modifiers::alibi) return;
  const AttentionParams& params = keys.params;
  const int lane = threadIdx.x % warp_size;
  const ScoreFactors factors = score_factors(params);
#pragma unroll
  for (int r = 0; r < Rows; r++) {
#pragma unroll
    for (int k = 0; k < Keys; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        scores[r][k][i] *= factors.product;
        if (Modified == Modifiers::softcap) scores[r][k][i] = capped<T>(scores[r][k][i]);
      }
    }
  }
  if constexpr (Modified == Modifiers::softcap) return;
  if (params.softcap > 0.0f) {
#pragma unroll
    for (int r = 0; r < Rows; r++) {
#pragma unroll
      for (int k = 0; k < Keys; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[r][k][i] = capped<T>(scores[r][k][i]) * factors.cap;
      }
    }
  }
  const int first_column = first_key + lane % 4 * 2;
  if (params.alibi_slopes) {
#pragma unroll
    for (int r = 0; r < Rows; r++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int row = rows.first + r * 16 + half * 8 + lane / 4;
        const float slope = keys.memory.slopes[row];
        const float bias = slope * float(first_column - rows.first_position - keys.memory.tokens[row]);
#pragma unroll
        for (int k = 0; k < Keys; k++) {
#pragma unroll
          for (int i = 0; i < 2; i++) scores[r][k][half * 2 + i] += fmaf(slope, float(k * 8 + i), bias);
        }
      }
    }
  }
  if (!Vllm && params.mask) {
    const int group = params.heads / params.kv_heads;
#pragma unroll
    for (int r = 0; r < Rows; r++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int row = rows.first + r * 16 + half * 8 + lane / 4;
        if (row >= tile.num_rows) continue;
        const int token = keys.memory.tokens[row];
        const int head = keys.kv_head * group + tile.first_row + row - token * group;
        const int64_t mask_row = int64_t(params.mask_heads == 1 ? 0 : head) * params.mask_rows +
                                 (params.mask_rows == 1 ? 0 : tile.first_token + token);
        const float* mask = params.mask + mask_row * params.mask_keys;
#pragma unroll
        for (int k = 0; k < Keys; k++) {
#pragma unroll
          for (int i = 0; i < 2; i++) {
            const int key = first_column + k * 8 + i;
            if (key >= rows.context) continue;
            scores[r][k][half * 2 + i] += mask[params.mask_keys == 1 ? 0 : keys.first_key + key] * log2_e;
          }
        }
      }
    }
  }
}

/// Sets scores of keys that their row does not keep to -infinity, and those with a bad block table entry to NaN.
template <typename T, typename Tile, bool Vllm, int Rows, int Keys>
__device__ __forceinline__ void mask_scores(float (&scores)[Rows][Keys][4], const PrefillKeys<T, Tile, Vllm>& keys,
                                            const WarpRows& rows, int first_key) {
  const int lane = threadIdx.x % warp_size;
  const int first_column = first_key + lane % 4 * 2;
  if (keys.any_bad_block(first_key)) {
#pragma unroll
    for (int k = 0; k < Keys; k++) {
      if (!keys.is_bad(first_key + k * 8)) continue;
#pragma unroll
      for (int r = 0; r < Rows; r++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[r][k][i] = __int_as_float(0x7fc00000);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < Rows; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = rows.first + r * 16 + half * 8 + lane / 4;
      const KeyRange kept =
          kept_keys(keys.params, rows.first_position + keys.memory.tokens[row], rows.context, rows.capacity);
#pragma unroll
      for (int k = 0; k < Keys; k++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          const int key = first_column + k * 8 + i;
          if (key < kept.begin || key >= kept.end) scores[r][k][half * 2 + i] = -infinity;
        }
      }
    }
  }
}

/// The softmax state of a lane's rows: the reference of the exponentials, in units of scores, and the sum over the
/// lane's columns.
template <int Rows>
struct RowState {
  float reference[Rows][2];
  float sum[Rows][2];
};

/// Turns scores into probabilities, 2^(factor * (score - reference)). If a reference moves, rescales sums and outputs.
template <int Rows, int Keys, int Columns>
__device__ __forceinline__ void update_rows(float (&scores)[Rows][Keys][4], RowState<Rows>& state,
                                            float (&outputs)[Rows][Columns][4], float factor) {
  float maximum[Rows][2];
  bool moves = false;
#pragma unroll
  for (int r = 0; r < Rows; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float largest = fmaxf(scores[r][0][half * 2], scores[r][0][half * 2 + 1]);
#pragma unroll
      for (int k = 1; k < Keys; k++) {
        largest = fmaxf(largest, fmaxf(scores[r][k][half * 2], scores[r][k][half * 2 + 1]));
      }
      largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(all_lanes, largest, 2));
      maximum[r][half] = largest;
      // True also for -infinity to any other value; false for -infinity to -infinity, whose difference is NaN.
      moves |= (largest - state.reference[r][half]) * factor > max_lag;
    }
  }
  if (__any_sync(all_lanes, moves)) {
#pragma unroll
    for (int r = 0; r < Rows; r++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float larger = fmaxf(state.reference[r][half], maximum[r][half]);
        const float rescale =
            larger == -infinity ? 1.0f : exp2_approximate((state.reference[r][half] - larger) * factor);
        state.reference[r][half] = larger;
        state.sum[r][half] *= rescale;
#pragma unroll
        for (int c = 0; c < Columns; c++) {
          outputs[r][c][half * 2] *= rescale;
          outputs[r][c][half * 2 + 1] *= rescale;
        }
      }
    }
  }
#pragma unroll
  for (int r = 0; r < Rows; r++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float reference = state.reference[r][half] == -infinity ? 0.0f : state.reference[r][half] * factor;
#pragma unroll
      for (int k = 0; k < Keys; k++) {
#pragma unroll
        for (int i = half * 2; i < half * 2 + 2; i++) {
          scores[r][k][i] = exp2_approximate(fmaf(scores[r][k][i], factor, -reference));
          state.sum[r][half] += scores[r][k][i];
        }
      }
    }
  }
}

}  // namespace attention
