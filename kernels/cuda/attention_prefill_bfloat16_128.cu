#include "attention_prefill_launch.cuh"

namespace attention {

template void launch_prefill<bfloat16, 128>(const LaunchContext&, const AttentionParams&, TileSize, bool);

}  // namespace attention
