#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "msl/fiber.h"

namespace attention::metal {

/// One dispatch, as every worker sees it.
struct Grid {
  void (*entry)(const mtl::Fiber&);
  const void* buffers[mtl::max_buffers];
  std::uint32_t threadgroup_bytes[mtl::max_buffers];  // lengths of the threadgroup arguments, 0: none
  std::uint32_t count[3], size[3];
  bool checked;
  std::vector<mtl::Range> ranges;  // what a checked shader may touch: named below
  std::vector<std::string> range_names;
};

/// Runs grids on worker threads. One at a time.
class Executor {
 public:
  explicit Executor(unsigned workers);
  ~Executor();
  /// Returns what went wrong, with threadgroup and thread; empty: nothing. `locate` turns an instruction's address
  /// into source and line.
  std::string run(const Grid& grid);

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace attention::metal
