// Copies blocks of a layer's key and value caches to other blocks of the same caches. Each row of the grid copies one
// pair.
#include "cache/block_pairs.h"

[[kernel]] void copy_blocks(device uint4* key_cache [[buffer(0)]],
                            device uint4* value_cache [[buffer(1)]],
                            device const int2* pairs [[buffer(2)]],
                            constant BlockPairsParams& params [[buffer(3)]],
                            uint2 position [[thread_position_in_grid]],
                            uint2 grid_size [[threads_per_grid]]) {
  const int2 pair = pairs[position.y];
  copy_block(key_cache, key_cache, pair, params.block_words, position.x, grid_size.x);
  copy_block(value_cache, value_cache, pair, params.block_words, position.x, grid_size.x);
}
