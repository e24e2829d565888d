#include "blocks/decode_blocks.h"

#include "blocks/block_types.cuh"

namespace attention {
namespace {

/// Four elements per thread.
template <typename Block, typename T>
__global__ void decode_blocks_kernel(const uint8_t* __restrict__ from, T* __restrict__ to, int64_t quads) {
  constexpr int quads_per_group = block_group / 4;
  constexpr int groups = Block::length / block_group;
  const int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= quads) return;
  const int quad = int(at % quads_per_group);
  const int group = int(at / quads_per_group % groups);
  const uint8_t* block = from + at / (quads_per_group * groups) * Block::bytes;
  float values[4];
  expand_bytes<Block::offset>(values, Block::codes(block, group, quad));
  const BlockFactors factors = Block::factors(block, group, quad / (quads_per_group / 2));
#pragma unroll
  for (int i = 0; i < 4; i++) values[i] = factors.decode(values[i]);
  store_pack<4>(to + at * 4, values);
}

}  // namespace

void decode_blocks(const LaunchContext& context, const WeightOperand& from, const Operand& to, int64_t count) {
  constexpr int threads = 256;
  with_block_type(from.type, [&](auto block) {
    with_float_type(to.type, [&](auto element) {
      using T = typename decltype(element)::type;
      launch(context, decode_blocks_kernel<typename decltype(block)::type, T>,
             {.blocks = divide_up<int64_t>(count / 4, threads), .threads = threads},
             static_cast<const uint8_t*>(from.data), to.as<T>(), count / 4);
    });
  });
}

}  // namespace attention
