#pragma once

#include <stdexcept>
#include <string>

namespace attention {

/// An exception that becomes an AttentionError with this code.
class AddonError : public std::runtime_error {
 public:
  AddonError(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a literal
};

}  // namespace attention
