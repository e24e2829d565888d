// Launches: memory of threads and blocks, and the blocks one after another.

#include "hopper.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "common/error.h"
#include "launch_emulated.h"

namespace attention::emulator {

CudaBlock block;

Grid& grid() {
  static Grid instance;
  return instance;
}

Grid::Grid()
    : BlockRunner(1),
      shared_(most_shared_bytes + 2 * page_bytes),
      rings_(sizeof(Copy) * most_threads * most_copies) {
  shared_.guard(0);
  shared_.guard(page_bytes + most_shared_bytes);
  for (unsigned i = 0; i < most_threads; i++) {
    copies_[i].ring = reinterpret_cast<Copy*>(rings_.begin()) + i * most_copies;
  }
}

std::string Grid::describe_address(const void* address) const {
  const auto* at = static_cast<const unsigned char*>(address);
  if (at >= shared_end() && at < shared_end() + page_bytes) {
    return std::to_string(at - (block.shared + block.shared_bytes)) + " bytes past the end of " +
           std::to_string(block.shared_bytes) + " bytes of shared memory";
  }
  return describe_device_address(address);
}

bool Grid::wake_some() { return hopper().land_copies(); }

std::string Grid::describe_waits() const { return hopper().describe_waits(); }

std::string Grid::leftover() const {
  const unsigned char* end = block.shared + block.shared_bytes;
  for (const unsigned char* at = end; at != shared_end(); at++) {
    if (*at == 0xff) continue;
    return "something wrote " + std::to_string(at - end) + " bytes past the end of " +
           std::to_string(block.shared_bytes) + " bytes of shared memory [block " + text_of(block.position) + " of " +
           text_of(block.count) + "]";
  }
  return hopper().leftover();
}

void Grid::clear_block() {
  hopper().begin_block();
  for (unsigned i = 0; i < block.threads; i++) copies_[i].first = copies_[i].end = copies_[i].group = 0;
  std::memset(block.shared, 0xff, size_t(shared_end() - block.shared));
}

namespace {

/// Fills shared variables with NaN: all of them before the first block, then those that it wrote.
class SharedVariables {
 public:
  void clear() {
    if (first_) {
      const size_t bytes = size_t(shared_variables_end - shared_variables_begin);
      std::memset(shared_variables_begin, 0xff, bytes);
      return;
    }
    for (unsigned char* chunk : written_) std::memset(chunk, 0xff, bytes_of(chunk));
  }

  void note() {
    if (!first_) return;
    first_ = false;
    for (unsigned char* chunk = shared_variables_begin; chunk < shared_variables_end; chunk += chunk_bytes) {
      if (*chunk != 0xff || std::memcmp(chunk, chunk + 1, bytes_of(chunk) - 1) != 0) {
        written_.push_back(chunk);
      }
    }
  }

 private:
  static constexpr size_t chunk_bytes = 1024;
  static size_t bytes_of(unsigned char* chunk) {
    return std::min(chunk_bytes, size_t(shared_variables_end - chunk));
  }
  bool first_ = true;
  std::vector<unsigned char*> written_;
};

void check_shape(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes) {
  const auto refuse = [](const std::string& what) { throw DeviceError("ERR_DEVICE", "emulator: " + what); };
  const uint64_t count = uint64_t(threads.x) * threads.y * threads.z;
  if (count == 0 || count > most_threads || threads.z > 64) {
    refuse("expected 1 to 1024 threads a block, received " + std::to_string(threads.x) + " x " +
           std::to_string(threads.y) + " x " + std::to_string(threads.z));
  }
  if (blocks.x > INT32_MAX || blocks.y > 65535 || blocks.z > 65535) {
    refuse("expected at most 2147483647 x 65535 x 65535 blocks, received " + std::to_string(blocks.x) + " x " +
           std::to_string(blocks.y) + " x " + std::to_string(blocks.z));
  }
  if (shared_bytes > size_t(std::max(shared_limit, 0)) || shared_bytes > most_shared_bytes) {
    refuse("expected at most " + std::to_string(shared_limit) + " bytes of shared memory, received " +
           std::to_string(shared_bytes));
  }
}

bool is_set(const char* variable, const char* value) {
  const char* text = std::getenv(variable);
  return text && std::strcmp(text, value) == 0;
}

void run_thread() {
  grid().body(grid().argument);
  finish_thread(current());
}

/// Whether threads of a block may share memory in the page.
bool is_watched(const void* page) {
  const auto* at = static_cast<const unsigned char*>(page);
  const auto meets = [&](const unsigned char* begin, const unsigned char* end) {
    return at + page_bytes > begin && at < end;
  };
  return meets(block.shared, grid().shared_end()) || meets(shared_variables_begin, shared_variables_end) ||
         is_checked_page(page);
}

}  // namespace

bool is_shared(const void* memory, size_t bytes) {
  const auto within = [&](const unsigned char* begin, const unsigned char* end) {
    const auto* at = static_cast<const unsigned char*>(memory);
    return at >= begin && at + bytes <= end;
  };
  return within(block.shared, block.shared + block.shared_bytes) ||
         within(shared_variables_begin, shared_variables_end);
}

void run_grid(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, void (*body)(void*), void* argument) {
  check_shape(shared_limit, blocks, threads, shared_bytes);
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  Grid& grid = emulator::grid();
  grid.body = body;
  grid.argument = argument;
  block.count = {blocks.x, blocks.y, blocks.z};
  block.shared_bytes = shared_bytes;
  block.shared = grid.shared_end() - round_up(shared_bytes, 1024);
  block.reversed = is_set("ATTENTION_CUDA_EMULATOR_ORDER", "reversed");
  block.checked = is_instrumented && is_set("ATTENTION_CUDA_CHECKED", "1");
  grid.prepare(block, {threads.x, threads.y, threads.z}, run_thread);
  if (block.checked) grid.races[0].begin_launch(shared_variables_begin, is_watched);
  SharedVariables shared_variables;
  const FaultHandlers handlers(grid);
  const uint64_t all = uint64_t(blocks.x) * blocks.y * blocks.z;
  std::string error;
  for (uint64_t i = 0; i < all && error.empty(); i++) {
    const uint64_t number = block.reversed ? all - 1 - i : i;
    block.position = {unsigned(number % blocks.x), unsigned(number / blocks.x % blocks.y),
                      unsigned(number / blocks.x / blocks.y)};
    shared_variables.clear();
    grid.clear_block();
    error = grid.run(block);
    if (error.empty()) error = grid.leftover();
    if (i + 1 < all) shared_variables.note();
  }
  if (!error.empty()) throw DeviceError("ERR_DEVICE", "emulator: " + error);
}

}  // namespace attention::emulator
