#pragma once

#include <string>

namespace attention::metal {

/// Rewrites preprocessed Metal source as C++ for msl/shader.h, with a table of its kernels and function constants.
/// Throws std::runtime_error, with the line, for what is not in the subset that README.md describes.
std::string translate(const std::string& preprocessed);

}  // namespace attention::metal
