#pragma once

#include <string>

namespace attention {

/// Whether this build has code that runs on the current device.
bool has_code_for_device();

/// Whether this build has code for compute capability 9.0 that uses Hopper-only instructions.
bool has_hopper_code();

/// The architectures of this build, for messages: `sm_80, sm_90a`.
std::string built_architectures();

}  // namespace attention
