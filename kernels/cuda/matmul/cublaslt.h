#pragma once

#include <memory>

#include "matmul/matmul.h"

namespace attention {

/// cuBLASLt for one context, loaded at run time if it is found: libcublasLt.so.13 or .12, or the file named by
/// ATTENTION_CUBLASLT_PATH. It never reports an error: products that it does not compute are left to our own kernels.
class Cublaslt {
 public:
  Cublaslt();
  ~Cublaslt();
  Cublaslt(const Cublaslt&) = delete;
  Cublaslt& operator=(const Cublaslt&) = delete;

  /// Returns whether it computed the product. The first call loads the library.
  bool multiply(const LaunchContext& context, const MatmulParams& params);

 private:
  class Library;
  std::unique_ptr<Library> library_;
};

}  // namespace attention
