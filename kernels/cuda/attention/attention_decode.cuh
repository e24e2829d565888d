#pragma once
// Decode attention on tensor cores (split-KV, or Flash-Decoding). The query rows that share a KV head form the rows of
// a matrix product, so that each key and value is read once per group. The grid is persistent: as many blocks as the
// device holds at once, each with an equal share of the work, see attention_decode_work.cuh. Every warp keeps a
// pipeline of asynchronous copies in shared memory that runs ahead across the segments of its block's share.

#include "attention/attention_decode_merge.cuh"
#include "common/shared_memory.cuh"

namespace attention {

constexpr int max_decode_threads = 256;

/// Waits for the oldest stage of the pipeline.
__device__ __forceinline__ void wait_for_stage(int stages) {
  if (stages == 4) return copy_async_wait<2>();
  if (stages == 3) return copy_async_wait<1>();
  copy_async_wait<0>();
}

/// Launched with 32 * slices * row_groups threads and decode_shared_bytes of shared memory.
template <typename T, int Padded, bool Vllm>
__global__ void __launch_bounds__(max_decode_threads)
    attend_decode_kernel(AttentionParams params, DecodeConfig config, DecodeScratch scratch) {
  const WorkCursor share = find_share(params, config);
  if (share.position == share.end) return;
  const int warp = threadIdx.x / warp_size;
  const int slice = warp % config.slices;
  const int row_group = warp / config.slices;
  unsigned char* const memory = shared_memory<unsigned char>();
  unsigned char* const pipeline = memory + slice * config.stages * slice_bytes<Padded>;
  float* const merge_memory =
      reinterpret_cast<float*>(memory + config.slices * config.stages * slice_bytes<Padded>);

  DecodeLoader<T, Padded, Vllm> loader(params, config, slice, row_group, share);
  for (int stage = 0; stage < config.stages - 1; stage++) {
    loader.load_next(pipeline + stage * slice_bytes<Padded>);
    copy_async_commit();
  }
  int stage = 0;
  int free_stage = config.stages - 1;

  WorkCursor cursor = share;
  Segment segment;
  DecodeWarp<T, Padded> state;
  while (cursor.next(segment, params, config)) {
    state.start(params, config, segment, row_group);
    for (int tile = 0; tile < segment.tiles; tile++) {
      wait_for_stage(config.stages);
      // Now the slice has arrived, and the previous stage is free.
      if (config.row_groups == 1) {
        __syncwarp();
      } else {
        named_barrier(1 + slice, 2 * warp_size);
      }
      loader.load_next(pipeline + free_stage * slice_bytes<Padded>);
      copy_async_commit();
      const int first_key =
          segment.first_key + (tile << config.tile_shift) + slice * (slabs_per_slice<Padded> * slab_keys);
      if (first_key < segment.work.keys.end) {
        state.template add_slice<Vllm>(pipeline + stage * slice_bytes<Padded>, params, segment.work.keys, first_key);
      }
      free_stage = stage;
      stage = stage + 1 == config.stages ? 0 : stage + 1;
    }
    finish_segment<T>(params, config, scratch, segment, state, merge_memory);
  }
}

}  // namespace attention
