#pragma once

#include <string>

namespace attention {

/// Whether this build has code that runs on the current device.
bool has_code_for_device();

/// Whether it has code for GPUs of compute capability 9.0 that uses what only they have.
bool has_hopper_code();

/// What it was built for, for messages: `sm_80, sm_90a`.
std::string built_architectures();

}  // namespace attention
