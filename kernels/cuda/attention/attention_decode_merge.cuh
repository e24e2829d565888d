#pragma once
// The end of a segment: combines the results of the block's warps (slices) into one result per row. If the block
// computed the whole output tile, that is the output. Otherwise it is a partial result: unnormalized float32 sums
// relative to the split's own maximum. The block that finishes the last split of an output tile merges all of them in
// order (Stream-K, Osama et al. 2023).
//
// This code runs a few times per block, so its instructions come from far away. It is short rather than unrolled.

#include "attention/attention_decode_warp.cuh"

namespace attention {

/// Scratch memory of one launch.
struct DecodeScratch {
  float* partials;     // see partial_slot; sums [rows][D], then maximum and sum of exponentials [rows][2]
  unsigned* arrivals;  // see arrival_slot; zeros before and after the launch
};

constexpr int max_decode_warps = 8;

__host__ __device__ constexpr int64_t partial_floats(int rows, int head_size) {
  return int64_t(rows) * (head_size + 2);
}

/// The maximum and the sum of a row's base-2 exponentials.
struct RowStats {
  float maximum;
  float sum;
};

/// The reference of a row's weights exp2(maximum - reference). It is 0 for rows without keys, whose weights are then 0,
/// not NaN.
__device__ __forceinline__ float softmax_reference(float maximum) { return maximum == -infinity ? 0.0f : maximum; }

/// Four columns of a row, and the row's statistics.
struct RowSums {
  float total[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  RowStats stats{-infinity, 0.0f};

  /// Adds `Count` results of the same row, relative to their own maxima. NaN is not the maximum, but stays in the sums.
  template <int Count>
  __device__ __forceinline__ void add(const float4 (&packs)[Count], const RowStats (&others)[Count]) {
    float maximum = stats.maximum;
#pragma unroll
    for (int i = 0; i < Count; i++) maximum = fmaxf(maximum, others[i].maximum);
    const float reference = softmax_reference(maximum);
    const float rescale = exp2_approximate(stats.maximum - reference);
#pragma unroll
    for (int j = 0; j < 4; j++) total[j] *= rescale;
    stats = {maximum, stats.sum * rescale};
#pragma unroll
    for (int i = 0; i < Count; i++) {
      const float weight = exp2_approximate(others[i].maximum - reference);
      total[0] += packs[i].x * weight;
      total[1] += packs[i].y * weight;
      total[2] += packs[i].z * weight;
      total[3] += packs[i].w * weight;
      stats.sum += others[i].sum * weight;
    }
  }
};

/// Writes four columns of a row's final result.
template <typename T>
__device__ __forceinline__ void store_output(const AttentionParams& params, const DecodeConfig& config,
                                             const Segment& segment, int row, int d, RowSums& sums) {
  const RowPlace place = row_place(params, config, segment, row);
  const RowResult result = finish_row(sums.stats.maximum, sums.stats.sum, params.sinks, place.head);
  if (params.lse && d == 0) params.lse[place.index] = result.lse;
#pragma unroll
  for (int j = 0; j < 4; j++) sums.total[j] *= result.factor;
  store_pack<4>(static_cast<T*>(params.output.data) + place.index * params.head_size + d, sums.total);
}

/// Merges the splits of a segment's output tile. All threads of the block call it.
template <typename T>
__device__ __forceinline__ void merge_splits(const AttentionParams& params, const DecodeConfig& config,
                                             const DecodeScratch& scratch, const Segment& segment) {
  constexpr int batch = 8;  // splits that are loaded at once
  const int num_rows = count_rows(config, segment);
  const int rows_per_tile = 16 * config.row_groups;
  const int64_t floats = partial_floats(rows_per_tile, params.head_size);
  const int packs_per_row = params.head_size / 4;
  const float* const first_split = scratch.partials + partial_slot(segment, 0, config) * floats;
  const float* const next_splits = scratch.partials + partial_slot(segment, 1, config) * floats;
  const int64_t stride = (partial_slot(segment, 2, config) - partial_slot(segment, 1, config)) * floats;
#pragma unroll 1
  for (int i = threadIdx.x; i < num_rows * packs_per_row; i += blockDim.x) {
    const int row = i / packs_per_row;
    const int d = (i - row * packs_per_row) * 4;
    RowSums sums;
#pragma unroll 1
    for (int first = 0; first < segment.splits; first += batch) {
      float4 packs[batch];
      RowStats stats[batch];
#pragma unroll
      for (int j = 0; j < batch; j++) {
        packs[j] = {0.0f, 0.0f, 0.0f, 0.0f};
        stats[j] = {-infinity, 0.0f};
        if (first + j >= segment.splits) continue;
        const float* partial = first + j == 0 ? first_split : next_splits + (first + j - 1) * stride;
        packs[j] = *reinterpret_cast<const float4*>(partial + row * params.head_size + d);
        stats[j] = reinterpret_cast<const RowStats*>(partial + rows_per_tile * params.head_size)[row];
      }
      sums.add(packs, stats);
    }
    store_output<T>(params, config, segment, row, d, sums);
  }
}

/// Writes a warp's sums into its part of `memory` as [16][Padded], with columns swizzled against bank conflicts.
template <typename T, int Padded>
__device__ __forceinline__ void store_warp(const DecodeWarp<T, Padded>& state, float* memory, int num_rows) {
  const int lane = threadIdx.x % warp_size;
  const int row = lane / 4;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (i * 8 >= num_rows) break;
#pragma unroll
    for (int low = 0; low < 4; low++) {
      float* const target = memory + (row + i * 8) * Padded + (low ^ (row % 4)) * 8 + lane % 4 * 2;
#pragma unroll
      for (int j = low; j < Padded / 8; j += 4) {
        *reinterpret_cast<float2*>(target + (j - low) * 8) = {state.out[j][i * 2], state.out[j][i * 2 + 1]};
      }
    }
  }
}

/// Finishes a segment. All threads of the block call it, each warp with its own state. `memory` is the stage of slice 0
/// that the segment's last tile was in; those of the other slices follow, `slice_stride` bytes apart.
template <typename T, int Padded>
__device__ __forceinline__ void finish_segment(const AttentionParams& params, const DecodeConfig& config,
                                               const DecodeScratch& scratch, const Segment& segment,
                                               const DecodeWarp<T, Padded>& state, unsigned char* memory,
                                               int slice_stride) {
  __shared__ RowStats stats[max_decode_warps][16];
  __shared__ bool is_last;
  static_assert(slice_bytes<Padded> >= 16 * Padded * sizeof(float));
  const int num_rows = count_rows(config, segment);
  const int rows_per_tile = 16 * config.row_groups;
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int slice = warp % config.slices;
  const bool is_split = segment.splits > 1;
  float* const partial = scratch.partials + (is_split ? partial_slot(segment, segment.split, config) *
                                                            partial_floats(rows_per_tile, params.head_size)
                                                      : 0);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const float sum = warp_sum<4>(state.sum[i]);
    if (lane % 4 == 0) stats[warp][lane / 4 + i * 8] = {state.maximum[i], sum};
  }
  __syncthreads();  // all warps have read their last tile

#pragma unroll 1
  for (int row_group = 0; row_group < config.row_groups; row_group++) {
    const int rows = min(num_rows - row_group * 16, 16);
    if (warp / config.slices == row_group) {
      store_warp(state, reinterpret_cast<float*>(memory + slice * slice_stride), rows);
    }
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < rows * (Padded / 4); i += blockDim.x) {
      const int row = i / (Padded / 4);
      const int d = i % (Padded / 4) * 4;
      if (d >= params.head_size) continue;
      const unsigned char* source = memory + (row * Padded + (d ^ row % 4 * 8)) * sizeof(float);
      RowSums sums;
#pragma unroll 1
      for (int other = 0; other < config.slices; other++) {
        sums.add<1>({*reinterpret_cast<const float4*>(source + other * slice_stride)},
                    {stats[row_group * config.slices + other][row]});
      }
      const int row_of_tile = row_group * 16 + row;
      if (is_split) {
        store_pack<4>(partial + row_of_tile * params.head_size + d, sums.total);
        if (d == 0) reinterpret_cast<RowStats*>(partial + rows_per_tile * params.head_size)[row_of_tile] = sums.stats;
      } else {
        store_output<T>(params, config, segment, row_of_tile, d, sums);
      }
    }
    __syncthreads();  // the stage can be filled again
  }
  if (!is_split) return;

  unsigned* const arrivals = scratch.arrivals + arrival_slot(segment, config);
  if (threadIdx.x == 0) {
    is_last = count_arrival(arrivals) + 1 == unsigned(segment.splits);
    if (is_last) *arrivals = 0;
  }
  __syncthreads();
  if (!is_last) return;
  merge_splits<T>(params, config, scratch, segment);
}

}  // namespace attention
