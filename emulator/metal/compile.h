#pragma once

#include <memory>
#include <string>

#include "emulated_device.h"
#include "msl/threadgroup.h"

namespace attention::metal {

/// Compiles shaders with clang++ into shared libraries, which it keeps by content in a folder. Several processes may
/// use the folder at once.
class Compiler {
 public:
  explicit Compiler(const EmulatorOptions& options);
  /// Loads the library of a shader; `module` is valid while `handle` lives. Throws ShaderError.
  struct Loaded {
    std::shared_ptr<void> handle;
    const mtl::Module* module;
  };
  Loaded load(const std::string& source, const std::string& name);

 private:
  std::string compiler_, cache_, headers_, key_;
  bool checked_;

  std::string flags() const;
  void prepare_headers(const std::string& source_folder);
  void prepare(const std::string& path, const std::string& command);
};

}  // namespace attention::metal
