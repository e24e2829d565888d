#pragma once
// Prefill attention with Hopper's own instructions, after FlashAttention-3 (Shah et al., 2024), over a paged cache or
// contiguous rows. attention_prefill_hopper_work.cuh describes the roles of the warps.
//
// Warpgroup products run asynchronously. A warpgroup starts the product of its queries with the next tile of keys
// before the product of its probabilities with this tile's values, and computes the next probabilities while the second
// product runs. Warpgroups take turns in starting products, so that one computes exponentials while another's products
// occupy the tensor cores ("ping-pong").

#include "attention/attention_prefill_hopper_load.cuh"
#include "attention/attention_prefill_hopper_rows.cuh"

namespace attention {

/// A warpgroup that computes: 64 rows of each piece of the block's work.
template <typename T, typename Tile, Modifiers Modified>
struct HopperConsumer {
  const AttentionParams& params;
  HopperMemory<Tile>& memory;
  const float factor;          // turns modified scores into base-2 scores
  const float product_factor;  // with softcap: scales products before the tanh
  const KeyLayout& layout;
  const int number;  // index of this consumer

  static constexpr int keys = Tile::keys;

  __device__ __forceinline__ void release(uint64_t& empty) const {
    __syncwarp();
    if (threadIdx.x % warp_size == 0) arrive(empty);
  }

  /// Consumers take turns in a ring; each waits for the previous one.
  __device__ __forceinline__ void take_turn() const { named_barrier(1 + number, 2 * warpgroup_size); }
  __device__ __forceinline__ void pass_turn() const {
    named_barrier_arrive(1 + (number + 1) % Tile::consumers, 2 * warpgroup_size);
  }

  __device__ __forceinline__ void multiply_keys(float (&scores)[keys / 2], int query_stage, int stage) const {
    const uint64_t queries = matrix_descriptor(memory.queries[query_stage][0][number * 64], 1024);
    const uint64_t tile = matrix_descriptor(memory.keys[stage], layout.next_keys);
#pragma unroll
    for (int step = 0; step < Tile::head_size / 16; step++) {
      const int part = step / 4;
      const int bytes = step % 4 * 32;
      multiply_shared<T, keys>(scores, advance(queries, part * int(sizeof memory.queries[0][0]) + bytes),
                               advance(tile, part * layout.next_part + bytes), step > 0);
    }
  }

  __device__ __forceinline__ void multiply_values(float (&outputs)[Tile::head_size / 2],
                                                  const uint32_t (&weights)[keys / 16][4], int stage, bool add) const {
    const uint64_t tile = matrix_descriptor(memory.values[stage], layout.next_keys, layout.next_part);
#pragma unroll
    for (int step = 0; step < keys / 16; step++) {
      multiply_registers<T, Tile::head_size>(outputs, weights[step], advance(tile, step * 2 * layout.next_keys),
                                             add || step > 0);
    }
  }

  __device__ __forceinline__ HopperRows begin_rows(const HopperWork& work) const {
    HopperRows rows;
    const int group = params.heads / params.kv_heads;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = first_row_of_thread() + half * 8;
      const int token = (work.tile.first_row + row) / group;
      rows.position[half] = work.context - work.tile.query_length + token;
      rows.kept[half] = kept_keys(params, rows.position[half], work.context, key_capacity(params));
      rows.reference[half] = -infinity;
      rows.sum[half] = 0.0f;
      rows.slope[half] = 0.0f;
      if constexpr (Modified == Modifiers::alibi) {
        const int head = work.kv_head * group + work.tile.first_row + row - token * group;
        rows.slope[half] = params.alibi_slopes[head] * (log2_e / factor);
      }
    }
    return rows;
  }

  /// The keys that every row of the warpgroup keeps.
  __device__ __forceinline__ KeyRange kept_by_all(const HopperWork& work) const {
    const int group = params.heads / params.kv_heads;
    const int first_position = work.context - work.tile.query_length;
    const auto kept = [&](int row) {
      const int position = first_position + (work.tile.first_row + row) / group;
      return kept_keys(params, position, work.context, key_capacity(params));
    };
    const int first = number * 64;
    if (first >= work.tile.num_rows) return {0, INT32_MAX};  // rows that are not stored
    return {kept(min(first + 64, work.tile.num_rows) - 1).begin, kept(first).end};
  }

  __device__ __forceinline__ void run() {
    Ring<work_slots> slot;
    Ring<Tile::query_stages> query_stage;
    Ring<Tile::stages> key_stage;
    Ring<Tile::stages> value_stage;
    float scores[keys / 2];
    float outputs[Tile::head_size / 2];
    uint32_t weights[keys / 16][4];

    const auto start_scores = [&] {
      wait_for_phase(memory.keys_full[key_stage.index], key_stage.parity);
      begin_products();
      multiply_keys(scores, query_stage.index, key_stage.index);
      commit_products();
    };
    const auto start_outputs = [&](bool add) {
      wait_for_phase(memory.values_full[value_stage.index], value_stage.parity);
      begin_products();
      multiply_values(outputs, weights, value_stage.index, add);
      commit_products();
    };
    const auto start_work = [&] {
      wait_for_phase(memory.queries_full[query_stage.index], query_stage.parity);
      start_scores();
    };
    // Returns the next work that has keys, or the end; stores zeros for work without keys.
    const auto next_work = [&] {
      HopperWork work = receive_work(memory, slot);
      while (work.tile.num_rows > 0 && work.tiles_of(keys) == 0) {
        store_no_rows<T>(params, work);
        work = receive_work(memory, slot);
      }
      return work;
    };

    if (number == Tile::consumers - 1) pass_turn();
    HopperWork work = next_work();
    bool more = work.tile.num_rows > 0;
    if (more) {
      start_work();
      wait_for_products<0>(scores);
    }
#pragma unroll 1
    while (more) {
      HopperRows rows = begin_rows(work);
      const KeyRange every = kept_by_all(work);
      const int tiles = work.tiles_of(keys);
      int key = (work.range.begin / keys + tiles - 1) * keys;
      float rescale[2];
      // Turns finished scores into probabilities, and releases their keys.
      const auto finish_scores = [&] {
        const unsigned bad_boxes = memory.bad_boxes[key_stage.index];
        release(memory.keys_empty[key_stage.index]);
        key_stage.advance();
        modify_scores<Modified, T>(scores, rows, key, product_factor);
        if (key < every.begin || key + keys > every.end || bad_boxes != 0) {
          mask_scores(scores, rows, key, bad_boxes, layout.box_keys);
        }
        key -= keys;
        return update_rows(scores, rows, rescale, factor);
      };

      finish_scores();
      pack_weights<T>(weights, scores);
#pragma unroll 1
      for (int i = 1; i < tiles; i++) {
        take_turn();
        start_scores();
        start_outputs(i > 1);
        pass_turn();
        wait_for_products<1>(scores);
        const bool moved = finish_scores();
        wait_for_products<0>(outputs);
        release(memory.values_empty[value_stage.index]);
        value_stage.advance();
        pack_weights<T>(weights, scores);
        if (moved) {
#pragma unroll
          for (int j = 0; j < Tile::head_size / 2; j++) outputs[j] *= rescale[j / 2 % 2];
        }
      }
      release(memory.queries_empty[query_stage.index]);
      query_stage.advance();
      // The next work's first product runs while this work's outputs are stored. Each branch has its own products: if
      // some were in flight where branches join, the compiler would wait after every single product.
      const HopperWork next = next_work();
      more = next.tile.num_rows > 0;
      const auto finish_work = [&] {
        release(memory.values_empty[value_stage.index]);
        value_stage.advance();
        store_rows<T, Tile>(outputs, rows, factor, params, work);
      };
      if (!more) {
        start_outputs(tiles > 1);
        wait_for_products<0>(outputs);
        finish_work();
        break;
      }
      start_outputs(tiles > 1);
      start_work();
      wait_for_products<1>(outputs);
      finish_work();
      wait_for_products<0>(scores);
      work = next;
    }
    if (number == 0) take_turn();  // so that no arrival is left over
  }
};

/// Launched with one block per multiprocessor. `factor` and `product_factor` as in HopperConsumer.
template <typename T, int HeadSize, Modifiers Modified>
__global__ void __launch_bounds__(HopperTile<HeadSize>::threads, 1)
    attention_prefill_hopper_kernel(const __grid_constant__ AttentionParams params,
                                    const __grid_constant__ TensorMap query_map,
                                    const __grid_constant__ TensorMap key_map,
                                    const __grid_constant__ TensorMap value_map,
                                    const __grid_constant__ HopperGrid grid, float factor, float product_factor) {
#if ATTENTION_HOPPER
  using Tile = HopperTile<HeadSize>;
  HopperMemory<Tile>& memory = *shared_memory<HopperMemory<Tile>>();
  if (threadIdx.x == 0) memory.init_barriers();
  __syncthreads();
  // Tells the compiler that the value is uniform across the warp.
  const int warp = __shfl_sync(all_lanes, int(threadIdx.x / warp_size), 0);
  if (warp < 4) {
    release_registers<Tile::loader_registers>();
    if (warp == 0) {
      load_keys<Tile>(params, memory, key_map, grid);
    } else if (warp == 1) {
      load_values<Tile>(params, memory, value_map, grid);
    } else {
      load_queries<T, Tile>(params, memory, query_map, grid);
    }
  } else {
    claim_registers<Tile::consumer_registers>();
    const int number = warp / 4 - 1;
    HopperConsumer<T, Tile, Modified>{params, memory, factor, product_factor, grid.layout, number}.run();
  }
#endif
}

}  // namespace attention
