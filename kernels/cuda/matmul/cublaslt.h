#pragma once

#include <memory>

#include "matmul/matmul.h"

namespace attention {

/// cuBLASLt as one context uses it, loaded where it is found: libcublasLt.so.13 or .12, or the file that
/// ATTENTION_CUBLASLT_PATH names. Nothing of it ever fails: what it does not serve is left to our own kernels.
class Cublaslt {
 public:
  Cublaslt();
  ~Cublaslt();
  Cublaslt(const Cublaslt&) = delete;
  Cublaslt& operator=(const Cublaslt&) = delete;

  /// Whether it made the product. The first call loads the library.
  bool multiply(const LaunchContext& context, const MatmulParams& params);

 private:
  class Library;
  std::unique_ptr<Library> library_;
};

}  // namespace attention
