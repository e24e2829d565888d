#pragma once

#include <string>

namespace attention {

/// Whether this build has code that runs on the current device.
bool has_code_for_device();

/// What it was built for, for messages: `sm_80, sm_90a`.
std::string built_architectures();

}  // namespace attention
