#include "attention_decode_launch.cuh"

namespace attention {

template void attend_decode_type<float16>(const LaunchContext& context, const AttentionParams& params);

}  // namespace attention
