// The partition of decode attention: the segments of every block, worked out by hand.

#include "attention/attention_decode_work.cuh"

#include <vector>

#include "harness.h"

using namespace attention;

namespace {

struct Expected {
  int block;
  int sequence;
  int output_tile;
  int first_key;
  int tiles;
  int split;
  int splits;
  bool operator==(const Expected&) const = default;
};

struct Case {
  std::string name;
  std::vector<int> context_lengths;
  int blocks;
  std::vector<Expected> segments;
  int kv_heads = 1;
  int row_tiles = 1;
  int window = 0;
  std::vector<int> query_starts = {};  // empty: one token per sequence
};

constexpr int tile_shift = 6;  // 64 keys per tile
constexpr int stages = 3;
constexpr int most_segments = 64;

__global__ void partition_kernel(AttentionParams params, DecodeConfig config, Expected* segments, int* counts) {
  WorkCursor cursor = find_share(params, config);
  if (threadIdx.x != 0) return;
  Segment segment;
  int count = 0;
  while (cursor.next(segment, params, config)) {
    segments[blockIdx.x * most_segments + count++] = {int(blockIdx.x),   segment.sequence, segment.kv_head * config.row_tiles + segment.row_tile,
                                                      segment.first_key, segment.tiles,    segment.split,
                                                      segment.splits};
  }
  counts[blockIdx.x] = count;
}

std::vector<Expected> partition(const Case& c, int threads) {
  const int sequences = int(c.context_lengths.size());
  const Memory<int> context_lens(sequences);
  const Memory<int> block_tables(sequences);  // present, hence paged, but the partition never reads it
  const Memory<int> cu_seqlens_q(sequences + 1);
  for (int i = 0; i < sequences; i++) context_lens[i] = c.context_lengths[i];
  for (size_t i = 0; i < c.query_starts.size(); i++) cu_seqlens_q[i] = c.query_starts[i];
  AttentionParams params{};
  params.block_tables = {block_tables.data};
  params.context_lens = {context_lens.data};
  params.cu_seqlens_q = {c.query_starts.empty() ? nullptr : cu_seqlens_q.data};
  params.tokens = c.query_starts.empty() ? sequences : c.query_starts.back();
  params.sequences = sequences;
  params.heads = c.kv_heads * 4;
  params.kv_heads = c.kv_heads;
  params.window = c.window;
  params.causal = true;
  params.block_size = 16;
  params.max_blocks = 1024;
  DecodeConfig config{};
  config.group = 4;
  config.max_query_length = 4;
  config.row_tiles = c.row_tiles;
  config.stages = stages;
  config.tile_shift = tile_shift;

  const Memory<Expected> segments(c.blocks * most_segments);
  const Memory<int> counts(c.blocks);
  launch(test_context(), partition_kernel, {.blocks = c.blocks, .threads = unsigned(threads)}, params, config,
         segments.data, counts.data);
  std::vector<Expected> found;
  for (int block = 0; block < c.blocks; block++) {
    for (int i = 0; i < counts[block]; i++) found.push_back(segments[block * most_segments + i]);
  }
  return found;
}

std::string text(const std::vector<Expected>& segments) {
  std::string all;
  for (const auto& s : segments) {
    all += "{" + std::to_string(s.block) + ", " + std::to_string(s.sequence) + ", " +
           std::to_string(s.output_tile) + ", " + std::to_string(s.first_key) + ", " + std::to_string(s.tiles) + ", " +
           std::to_string(s.split) + ", " + std::to_string(s.splits) + "} ";
  }
  return all;
}

const std::vector<Case> cases = {
    // Costs 3 + 18 + 3 = 24, share 6.
    {"the example of attention_decode_work.cuh",
     {5, 1000, 64},
     4,
     {{0, 0, 0, 0, 1, 0, 1},
      {0, 1, 0, 0, 1, 0, 4},
      {1, 1, 0, 64, 6, 1, 4},
      {2, 1, 0, 448, 6, 2, 4},
      {3, 1, 0, 832, 3, 3, 4},
      {3, 2, 0, 0, 1, 0, 1}}},
    // Costs 4 + 4 = 8, share 4: the first output tile ends where the share does.
    {"output tiles that fill their shares", {128, 128}, 2, {{0, 0, 0, 0, 2, 0, 1}, {1, 1, 0, 0, 2, 0, 1}}},
    // Costs 4 + 10 = 14, share 5. Block 0 ends with half of the fixed cost of sequence 1, all of whose tiles go to blocks 1
    // and 2.
    {"a share that ends within an output tile's fixed cost",
     {128, 512},
     3,
     {{0, 0, 0, 0, 2, 0, 1}, {1, 1, 0, 0, 4, 0, 2}, {2, 1, 0, 256, 4, 1, 2}}},
    // 4 tiles make 1 output tile of cost 6, a share of at least stages - 1 = 2 even for 8 blocks. Block 0 has the fixed
    // cost, blocks 1 and 2 have two tiles each; the others have nothing.
    {"more blocks than work", {256}, 8, {{1, 0, 0, 0, 2, 0, 2}, {2, 0, 0, 128, 2, 1, 2}}},
    // Costs 2 + 4 + 2 + 4 = 12, share 6: an output tile without keys still has a segment, which writes its zeros.
    {"empty sequences",
     {0, 128, 0, 128},
     2,
     {{0, 0, 0, 0, 0, 0, 1}, {0, 1, 0, 0, 2, 0, 1}, {1, 2, 0, 0, 0, 0, 1}, {1, 3, 0, 0, 2, 0, 1}}},
    // The window keeps keys 900..999. Tile 0 starts at 896, the multiple of 16 below: 104 keys are 2 tiles.
    {"a sliding window", {1000}, 1, {{0, 0, 0, 896, 2, 0, 1}}, 1, 1, 100},
    // Output tiles 0 and 1 belong to KV head 0, tiles 2 and 3 to head 1; cost 4 each, 16 in all, share 8.
    {"several output tiles per sequence",
     {100},
     2,
     {{0, 0, 0, 0, 2, 0, 1}, {0, 0, 1, 0, 2, 0, 1}, {1, 0, 2, 0, 2, 0, 1}, {1, 0, 3, 0, 2, 0, 1}},
     2,
     2},
    // Groups of 4 heads decode up to 4 query tokens. Sequence 0 has 5 and sequence 2 none: neither is on the line.
    {"sequences that are not decoded", {64, 64, 64}, 1, {{0, 1, 0, 0, 1, 0, 1}}, 1, 1, 0, {0, 5, 7, 7}},
};

/// 71 sequences, more than threads, of 2 tiles each: costs 71 * 4 = 284, share 95. Block 0 has 23 sequences and tile 0 of
/// sequence 23; block 1 ends with the fixed cost of sequence 47.
Case many_sequences() {
  Case c{"more sequences than threads", std::vector<int>(71, 128), 3, {}};
  for (int sequence = 0; sequence < 71; sequence++) {
    if (sequence == 23) {
      c.segments.push_back({0, 23, 0, 0, 1, 0, 2});
      c.segments.push_back({1, 23, 0, 64, 1, 1, 2});
    } else {
      c.segments.push_back({sequence < 23 ? 0 : sequence < 47 ? 1 : 2, sequence, 0, 0, 2, 0, 1});
    }
  }
  return c;
}

}  // namespace

void test_attention_decode_work() {
  std::vector<Case> all = cases;
  all.push_back(many_sequences());
  for (const Case& c : all) {
    for (const int threads : {32, 128}) {
      const std::vector<Expected> found = partition(c, threads);
      expect(found == c.segments, "partition of " + c.name + " with " + std::to_string(threads) + " threads: expected " +
                                      text(c.segments) + "received " + text(found));
    }
  }
}
