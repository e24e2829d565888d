#pragma once

#include <string>

#include "device.h"

namespace attention::metal {

struct EmulatorOptions {
  /// Folder for compiled shaders, keyed by content; created at need.
  std::string cache_folder;
  /// The folder of this file (msl/ with the library's headers is beside it).
  std::string source_folder;
  /// Check every access of a shader: bounds, initialisation, races. Several times slower.
  bool checked = false;
  /// Threads that run threadgroups; 0: as many as there are cores.
  unsigned workers = 0;
  /// The compiler; empty: $CXX_METAL_EMULATOR, else clang++ from PATH.
  std::string compiler;
};

/// A device that runs Metal shaders on the CPU. For tests only: it is slow, and it knows a subset of the language.
/// Throws DeviceError, with what to install, where there is no clang++.
std::unique_ptr<Device> make_emulated_device(const EmulatorOptions& options);

}  // namespace attention::metal
