// Copies blocks of one cache to blocks of another, in the widest words that divide a block. Each row of the grid copies
// one pair.
#include "cache/block_pairs.h"

template <typename Word>
[[kernel]] void swap_blocks(device const Word* source [[buffer(0)]],
                            device Word* destination [[buffer(1)]],
                            device const int2* pairs [[buffer(2)]],
                            constant BlockPairsParams& params [[buffer(3)]],
                            uint2 position [[thread_position_in_grid]],
                            uint2 grid_size [[threads_per_grid]]) {
  copy_block(destination, source, pairs[position.y], params.block_words, position.x, grid_size.x);
}

#define instantiate_swap_blocks(word)                                                      \
  template [[host_name("swap_blocks_" #word)]] [[kernel]] void swap_blocks<word>(          \
      device const word*, device word*, device const int2*, constant BlockPairsParams&, uint2, uint2);

instantiate_swap_blocks(uint4)
instantiate_swap_blocks(uint)
instantiate_swap_blocks(ushort)
