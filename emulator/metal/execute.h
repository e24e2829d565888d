#pragma once

#include <memory>
#include <string>
#include <vector>

#include "msl/threadgroup.h"

namespace attention::metal {

/// Memory that a shader may touch.
struct Range {
  const unsigned char* begin;
  const unsigned char* end;
  std::string name;

  bool has(const unsigned char* at, size_t bytes) const { return at >= begin && at + bytes <= end; }
};

/// One dispatch, as every worker sees it.
struct Grid {
  void (*entry)(const mtl::Thread&);
  const void* buffers[mtl::max_buffers];
  uint32_t threadgroup_bytes[mtl::max_buffers];  // lengths of the threadgroup arguments, 0: none
  mtl::Triple count, size;
  bool checked, reversed;
  std::vector<Range> ranges;  // besides threadgroup memory
};

/// What a checked shader calls.
mtl::Accessed accessed;

/// Runs grids on worker threads. One at a time.
class Executor {
 public:
  explicit Executor(unsigned workers);
  ~Executor();
  /// Returns what went wrong, with line, threadgroup and thread; empty: nothing.
  std::string run(const Grid& grid);

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace attention::metal
