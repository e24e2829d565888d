#pragma once

#include "common/launch.h"

namespace attention {

/// The largest upload that fits in the parameters of a launch.
constexpr size_t largest_upload_by_value = 2048;

/// Copies bytes from host memory to device memory, passed by value as a launch parameter. So `from` may be reused at
/// once, and a recorded launch repeats the same bytes. `to` is aligned to 4 bytes.
void upload_by_value(const LaunchContext& context, void* to, const void* from, size_t bytes);

}  // namespace attention
