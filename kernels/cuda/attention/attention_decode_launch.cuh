#pragma once
// The launch of decode attention: chooses the number of warps, stages and blocks.

#include <algorithm>
#include <bit>
#include <cmath>

#include "attention/attention_decode.cuh"
#include "attention/attention.h"

namespace attention {

/// Upper bound on the static shared memory of attend_decode_kernel plus what the driver reserves per block.
constexpr int reserved_shared_bytes = 5 * 1024;

template <int Padded>
int decode_shared_bytes(const DecodeConfig& config) {
  return config.slices * config.stages * slice_bytes<Padded> + config.row_groups * query_bytes<Padded>;
}

/// Blocks that a multiprocessor holds at once (its occupancy); 0 if one does not fit.
template <int Padded>
int resident_blocks(const LaunchContext& context, const DecodeConfig& config) {
  const int threads = config.slices * config.row_groups * warp_size;
  const int by_registers = max_decode_threads<Padded> / threads;
  const int shared_bytes = context.device.shared_bytes_per_block + 1024;  // per multiprocessor
  const int by_memory = shared_bytes / (decode_shared_bytes<Padded>(config) + reserved_shared_bytes);
  return std::min(by_registers, by_memory);
}

/// Chooses the first configuration that fills a multiprocessor's registers with warps; if none does, the one with the most
/// bytes in flight. Deeper pipelines read 1 to 4 % faster on an H200, and take more shared memory.
template <int Padded>
DecodeConfig choose_config(const LaunchContext& context, const AttentionParams& params) {
  constexpr struct {
    int slices;
    int stages;
  } choices[] = {{4, 2}, {4, 3}, {4, 4}, {2, 4}, {2, 3}, {2, 2}, {1, 3}, {1, 2}};
  DecodeConfig best{};
  int max_bytes = 0;
  for (const auto& choice : choices) {
    DecodeConfig config{};
    config.group = params.heads / params.kv_heads;
    config.stages = choice.stages;
    config.row_groups = config.group > 16 ? 2 : 1;
    config.slices = divide_up(choice.slices, config.row_groups);
    config.row_tiles = divide_up(config.group, 16 * config.row_groups);
    config.tile_shift = std::countr_zero(unsigned(config.slices * slabs_per_slice<Padded> * slab_keys));
    config.block_shift = std::countr_zero(unsigned(params.block_size));
    config.max_query_length = decode_query_length(config.group);
    config.forced_splits = context.splits;
    const int blocks = resident_blocks<Padded>(context, config);
    const int threads = config.slices * config.row_groups * warp_size;
    if (blocks * threads == max_decode_threads<Padded>) return config;
    const int bytes = blocks * config.slices * (config.stages - 1) * slice_bytes<Padded>;
    if (bytes > max_bytes) {
      max_bytes = bytes;
      best = config;
    }
  }
  return best;
}

/// The number of splits for a batch of one sequence. Its output tiles all cost the same, so blocks need not compute
/// their shares.
template <int Padded>
int splits_of_one_sequence(const LaunchContext& context, const AttentionParams& params, const DecodeConfig& config,
                           int output_tiles) {
  constexpr double splits_per_tile = 3;  // splits that merge in the time of a tile; s splits take s / 3 + tiles / s
  const int tiles = (params.max_context_length >> config.tile_shift) + 1;
  const int most = resident_blocks<Padded>(context, config) * context.device.multiprocessors / output_tiles;
  return std::max(std::min(most, int(std::sqrt(splits_per_tile * tiles))), 1);
}

template <typename T, int Padded>
void launch_decode(const LaunchContext& context, const AttentionParams& params) {
  DecodeConfig config = choose_config<Padded>(context, params);
  const int64_t output_tiles = int64_t(params.sequences) * params.kv_heads * config.row_tiles;
  if (config.forced_splits == 0 && params.sequences == 1 && params.max_context_length > 0) {
    config.forced_splits = splits_of_one_sequence<Padded>(context, params, config, int(output_tiles));
  }
  int64_t blocks = output_tiles * config.forced_splits;
  int64_t slots = blocks;
  int64_t counters = output_tiles;
  if (config.forced_splits == 0) {
    const int64_t longest = params.block_tables ? int64_t(params.max_blocks) * params.block_size : params.keys;
    const int64_t max_tiles = (longest >> config.tile_shift) + 2;
    blocks = std::min<int64_t>(int64_t(resident_blocks<Padded>(context, config)) * context.device.multiprocessors,
                               output_tiles * (max_tiles + fixed_cost));
    slots = blocks * 2;
    counters = blocks;
  }
  const Counters arrivals(context, counters);
  const Scratch partials(context, slots * partial_floats(16 * config.row_groups, params.head_size) * sizeof(float));
  const bool vllm = params.vllm_layout && params.block_tables;
  launch(context, vllm ? attend_decode_kernel<T, Padded, true> : attend_decode_kernel<T, Padded, false>,
         {.blocks = blocks,
          .threads = unsigned(config.slices * config.row_groups * warp_size),
          .shared_bytes = size_t(decode_shared_bytes<Padded>(config))},
         params, config, DecodeScratch{partials.as<float>(), arrivals.data()});
}

template <typename T>
void attend_decode(const LaunchContext& context, const AttentionParams& params) {
  if (params.head_size <= 64) return launch_decode<T, 64>(context, params);
  if (params.head_size <= 128) return launch_decode<T, 128>(context, params);
  if (params.head_size <= 192) return launch_decode<T, 192>(context, params);
  launch_decode<T, 256>(context, params);
}

}  // namespace attention
