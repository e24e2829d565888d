#pragma once

#include "common/launch.h"

namespace attention {

/// What fits in the parameters of a launch.
constexpr size_t largest_upload_by_value = 2048;

/// Writes bytes from CPU memory to device memory. They travel as a parameter of the launch: nothing reads `from` later, and a
/// recorded launch repeats them. `to` is aligned to 4 bytes.
void upload_by_value(const LaunchContext& context, void* to, const void* from, size_t bytes);

}  // namespace attention
