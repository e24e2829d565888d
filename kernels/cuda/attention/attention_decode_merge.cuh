#pragma once
// The end of a segment: combines the results of the block's warps (slices) into one result per row. If the block
// computed the whole output tile, that is the output. Otherwise it is a partial result: unnormalized float32 sums
// relative to the split's own maximum. The block that finishes the last split of an output tile merges all of them in
// order (Stream-K, Osama et al. 2023).

#include "attention/attention_decode_warp.cuh"

namespace attention {

/// Scratch memory of one launch.
struct DecodeScratch {
  float* partials;        // see partial_slot; sums [rows][D], then maximum and sum of exponentials [rows][2]
  unsigned* arrivals;  // see arrival_slot; zeros before and after the launch
};

constexpr int max_decode_warps = 8;
/// Floats of shared memory per warp for combining slices: 16 rows of 32 columns or 8 rows of 64.
constexpr int merge_floats = 512;

__host__ __device__ constexpr int64_t partial_floats(int rows, int head_size) {
  return int64_t(rows) * (head_size + 2);
}

/// The reference of a row's weights exp2(maximum - reference). It is 0 for rows without keys, whose weights are then 0,
/// not NaN.
__device__ __forceinline__ float softmax_reference(float maximum) { return maximum == -infinity ? 0.0f : maximum; }

/// Merges the splits of a segment's output tile. All threads of the block call it.
template <typename T>
__device__ __forceinline__ void merge_splits(const AttentionParams& params, const DecodeConfig& config,
                                             const DecodeScratch& scratch, const Segment& segment, float* references,
                                             float* factors) {
  const int num_rows = count_rows(params, config, segment);
  const int rows_per_tile = 16 * config.row_groups;
  const int64_t floats = partial_floats(rows_per_tile, params.head_size);
  const int lane = threadIdx.x % warp_size;
  const auto partial_stats = [&](int split, int row) {
    const float* partial = scratch.partials + partial_slot(segment, split, config) * floats;
    return partial + rows_per_tile * params.head_size + row * 2;
  };
  for (int row = threadIdx.x / warp_size; row < num_rows; row += blockDim.x / warp_size) {
    float maximum = -infinity;
    for (int split = lane; split < segment.splits; split += warp_size) {
      maximum = fmaxf(maximum, partial_stats(split, row)[0]);
    }
    maximum = warp_max(maximum);
    const float reference = softmax_reference(maximum);
    float sum = 0.0f;
    for (int split = lane; split < segment.splits; split += warp_size) {
      const float* stats = partial_stats(split, row);
      sum += stats[1] * exp2f(stats[0] - reference);
    }
    sum = warp_sum(sum);
    if (lane == 0) {
      const RowPlace place = row_place(params, config, segment, row);
      const RowResult result = finish_row(maximum, sum, params.sinks, place.head);
      references[row] = reference;
      factors[row] = result.factor;
      if (params.lse) params.lse[place.index] = result.lse;
    }
  }
  __syncthreads();

  constexpr int batch = 16;  // splits that are loaded at once
  const int packs_per_row = params.head_size / 4;
  for (int i = threadIdx.x; i < num_rows * packs_per_row; i += blockDim.x) {
    const int row = i / packs_per_row;
    const int d = i % packs_per_row * 4;
    float total[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int first = 0; first < segment.splits; first += batch) {
      float4 sums[batch];
      float maxima[batch];
#pragma unroll
      for (int j = 0; j < batch; j++) {
        const int split = min(first + j, segment.splits - 1);
        sums[j] = *reinterpret_cast<const float4*>(scratch.partials + partial_slot(segment, split, config) * floats +
                                                   row * params.head_size + d);
        maxima[j] = partial_stats(split, row)[0];
      }
#pragma unroll
      for (int j = 0; j < batch; j++) {
        if (first + j >= segment.splits) break;
        const float weight = exp2f(maxima[j] - references[row]);
        total[0] += sums[j].x * weight;
        total[1] += sums[j].y * weight;
        total[2] += sums[j].z * weight;
        total[3] += sums[j].w * weight;
      }
    }
#pragma unroll
    for (int j = 0; j < 4; j++) total[j] *= factors[row];
    const int64_t index = row_place(params, config, segment, row).index;
    store_pack<4>(static_cast<T*>(params.output.data) + index * params.head_size + d, total);
  }
}

/// Finishes a segment. All threads of the block call it, each warp with its own state.
template <typename T, int Padded>
__device__ __forceinline__ void finish_segment(const AttentionParams& params, const DecodeConfig& config,
                                               const DecodeScratch& scratch, const Segment& segment,
                                               const DecodeWarp<T, Padded>& state, float* memory) {
  __shared__ float maxima[max_decode_warps][16];
  __shared__ float sums[max_decode_warps][16];
  __shared__ float references[32];
  __shared__ float factors[32];
  __shared__ bool is_last;
  const int num_rows = count_rows(params, config, segment);
  const int rows_per_tile = 16 * config.row_groups;
  const int lane = threadIdx.x % warp_size;
  const int warp = threadIdx.x / warp_size;
  const int first_warp = warp / config.slices * config.slices;  // first warp of the row group
  const bool is_split = segment.splits > 1;
  float* const partial = scratch.partials + (is_split ? partial_slot(segment, segment.split, config) *
                                                     partial_floats(rows_per_tile, params.head_size)
                                               : 0);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const float sum = warp_sum<4>(state.sum[i]);
    if (lane % 4 == 0) {
      maxima[warp][lane / 4 + i * 8] = state.maximum[i];
      sums[warp][lane / 4 + i * 8] = sum;
    }
  }
  __syncthreads();

  float weights[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    float maximum = -infinity;
    for (int w = 0; w < config.slices; w++) maximum = fmaxf(maximum, maxima[first_warp + w][lane / 4 + i * 8]);
    weights[i] = exp2_approximate(state.maximum[i] - softmax_reference(maximum));
  }
  for (int row = threadIdx.x; row < num_rows; row += blockDim.x) {
    const int first = row / 16 * config.slices;
    float maximum = -infinity;
    for (int w = 0; w < config.slices; w++) maximum = fmaxf(maximum, maxima[first + w][row % 16]);
    float sum = 0.0f;
    for (int w = 0; w < config.slices; w++) {
      sum += sums[first + w][row % 16] * exp2_approximate(maxima[first + w][row % 16] - softmax_reference(maximum));
    }
    if (is_split) {
      partial[rows_per_tile * params.head_size + row * 2] = maximum;
      partial[rows_per_tile * params.head_size + row * 2 + 1] = sum;
      factors[row] = 1.0f;
    } else {
      const RowPlace place = row_place(params, config, segment, row);
      const RowResult result = finish_row(maximum, sum, params.sinks, place.head);
      factors[row] = result.factor;
      if (params.lse) params.lse[place.index] = result.lse;
    }
  }

  const bool is_tall = num_rows > 8;
  const int height = is_tall ? 16 : 8;
  const int width = is_tall ? 32 : 64;
  const int packs_per_row = width / 4;
  for (int first_d = 0; first_d < params.head_size; first_d += width) {
    if (first_d > 0) __syncthreads();
    float* const target = memory + warp * merge_floats;
#pragma unroll
    for (int j = 0; j < Padded / 8; j++) {
      if (j * 8 < first_d || j * 8 >= first_d + width) continue;
#pragma unroll
      for (int i = 0; i < 2; i++) {
        if (i == 1 && !is_tall) continue;
        const int row = lane / 4 + i * 8;
        const int column = ((j * 8 - first_d) ^ (row % 4 * 8)) + lane % 4 * 2;
        *reinterpret_cast<float2*>(target + row * width + column) = {state.out[j][i * 2] * weights[i],
                                                                     state.out[j][i * 2 + 1] * weights[i]};
      }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < num_rows * packs_per_row; i += blockDim.x) {
      const int row = i / packs_per_row;
      const int column = i % packs_per_row * 4;
      const int d = first_d + column;
      if (d >= params.head_size) continue;
      const float* source = memory + row / 16 * config.slices * merge_floats + row % height * width +
                            (column ^ (row % 4 * 8));
      float total[4] = {0.0f, 0.0f, 0.0f, 0.0f};
      for (int w = 0; w < config.slices; w++) {
        const float4 pack = *reinterpret_cast<const float4*>(source + w * merge_floats);
        total[0] += pack.x;
        total[1] += pack.y;
        total[2] += pack.z;
        total[3] += pack.w;
      }
#pragma unroll
      for (int j = 0; j < 4; j++) total[j] *= factors[row];
      if (is_split) {
        store_pack<4>(partial + row * params.head_size + d, total);
      } else {
        const int64_t index = row_place(params, config, segment, row).index;
        store_pack<4>(static_cast<T*>(params.output.data) + index * params.head_size + d, total);
      }
    }
  }
  if (!is_split) return;

  __threadfence();
  __syncthreads();
  unsigned* const arrivals = scratch.arrivals + arrival_slot(segment, config);
  if (threadIdx.x == 0) {
    is_last = atomicAdd(arrivals, 1u) + 1 == unsigned(segment.splits);
    if (is_last) *arrivals = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  merge_splits<T>(params, config, scratch, segment, references, factors);
}

}  // namespace attention
