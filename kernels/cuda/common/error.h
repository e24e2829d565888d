#pragma once

#include <stdexcept>
#include <string>

namespace attention {

/// An error that JavaScript receives as an AttentionError with this code.
class DeviceError : public std::runtime_error {
 public:
  DeviceError(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a literal
};

}  // namespace attention
