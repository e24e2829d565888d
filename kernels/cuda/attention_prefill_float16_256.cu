#include "attention_prefill_launch.cuh"

template void attention::launch_prefill<attention::float16, 256>(const LaunchContext&, const AttentionParams&, bool, bool);
