#pragma once
// An author's kernels as JavaScript holds them.

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "context.h"
#include "module.h"

namespace attention::cuda {

/// A module that stays loaded until its last launch is done.
class LoadedModule {
 public:
  static constexpr napi_type_tag tag = {0x2f0a9d1c54e84b7d, 0xb3c86e0f19a24d95};

  LoadedModule(std::shared_ptr<Context> context, const std::vector<char>& image)
      : context_(std::move(context)), module_(image) {}
  ~LoadedModule() { cudaStreamSynchronize(context_->launch_context().stream); }

  Module& module() { return module_; }

 private:
  std::shared_ptr<Context> context_;
  Module module_;
};

}  // namespace attention::cuda
