#pragma once
// Decode attention on tensor cores (split-KV, or Flash-Decoding). The query rows that share a KV head form the rows of
// a matrix product, so that each key and value is read once per group. The grid is persistent: as many blocks as the
// device holds at once, each with an equal share of the work, see attention_decode_work.cuh. Every warp keeps a
// pipeline of asynchronous copies in shared memory that runs ahead across the segments of its block's share.

#include "attention/attention_decode_merge.cuh"
#include "common/shared_memory.cuh"

namespace attention {

/// The threads that the registers of a multiprocessor suffice for.
template <int Padded>
constexpr int max_decode_threads = Padded <= 64 ? 384 : 256;

/// Waits for the oldest stage of the pipeline.
__device__ __forceinline__ void wait_for_stage(int stages) {
  if (stages == 4) return copy_async_wait<2>();
  if (stages == 3) return copy_async_wait<1>();
  copy_async_wait<0>();
}

/// Launched with 32 * slices * row_groups threads and decode_shared_bytes of shared memory.
template <typename T, int Padded, bool Vllm>
__global__ void __launch_bounds__(max_decode_threads<Padded>)
    attend_decode_kernel(AttentionParams params, DecodeConfig config, DecodeScratch scratch) {
  __shared__ WarpWork works[max_decode_warps];
  const int warp = threadIdx.x / warp_size;
  WarpWork& work = works[warp];
  const WorkCursor share = find_share(params, config);
  if (threadIdx.x % warp_size == 0) work.cursor = share;
  __syncwarp();
  const int slice = warp % config.slices;
  const int row_group = warp / config.slices;
  const int slice_stride = config.stages * slice_bytes<Padded>;
  unsigned char* const memory = shared_memory<unsigned char>();
  const uint32_t pipeline = shared_address(memory) + slice * slice_stride;
  const int lead = config.stages - 1;  // steps from a tile's load to its use

  DecodeLoader<T, Padded, Vllm> loader(params, config, work, slice, row_group);
  unsigned char* const queries =
      memory + config.slices * slice_stride + row_group * query_bytes<Padded>;
  DecodeWarp<T, Padded> state(shared_address(queries));
  int filled = 0;  // stage
  int used = 0;    // stage
  int segments = 0;
  int tile = 0;
#pragma unroll 1
  for (int step = -lead;; step++) {
    const Segment& segment = work.segments[segments % max_stages];
    const bool starts = step >= 0 && step < loader.steps && tile == 0;
    if (starts) {
      state.start();
      load_queries<T, Padded>(params, config, segment, slice, row_group, queries);
    }
    if (step >= 0) {
      wait_for_stage(config.stages);
      // Now the tile has arrived, and the stage of the previous one is free.
      if (config.row_groups == 1) {
        __syncwarp();
      } else {
        named_barrier(1 + slice, 2 * warp_size);
      }
    }
    loader.load_next(pipeline + filled * slice_bytes<Padded>);
    copy_async_commit();
    filled = filled == lead ? 0 : filled + 1;
    if (step < 0) continue;
    if (step == loader.steps) break;

    if (starts) __syncthreads();  // the queries are there
    const int first_key =
        segment.first_key + (tile << config.tile_shift) + slice * (slabs_per_slice<Padded> * slab_keys);
    if (tile < segment.tiles && first_key < segment.work.keys.end) {
      state.template add_slice<Vllm>(pipeline + used * slice_bytes<Padded>, params, config, segment, row_group, first_key,
                                     loader.missing_halves(lead));
    }
    tile++;
    if (tile >= segment.tiles) {
      finish_segment<T>(params, config, scratch, segment, state, memory + used * slice_bytes<Padded>, slice_stride);
      tile = 0;
      segments++;
    }
    used = used == lead ? 0 : used + 1;
  }
}

}  // namespace attention
