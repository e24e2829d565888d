#include "matmul_launch.cuh"

namespace attention {

template void launch_matmul<float>(const LaunchContext& context, const MatmulParams& params);

}  // namespace attention
