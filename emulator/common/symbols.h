#pragma once
// From addresses of code to lines of source.

#include <string>

namespace attention::emulator {

/// `rms_norm.cuh:12` of a path.
std::string place(const char* file, unsigned line);

/// `rms_norm.cuh:12` of an instruction in a kernel, or `in function`, by binutils' addr2line; empty if that is not to be had.
/// A line of the emulator's own headers is not told, but the one that calls it.
std::string locate(const void* instruction);

}  // namespace attention::emulator
