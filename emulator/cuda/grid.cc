// Launches: memory of threads and blocks, and the blocks one after another.

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "device/grid.h"
#include "common/error.h"
#include "fiber_switch.h"
#include "launch_emulated.h"

namespace attention::emulator {
namespace {

void allocate() {
  const auto map = [](size_t bytes) {
    void* memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw DeviceError("ERR_DEVICE", "emulator: no memory for the stacks of a block");
    return static_cast<unsigned char*>(memory);
  };
  grid.shared = map(most_shared_bytes + 2 * page_bytes) + page_bytes;
  mprotect(grid.shared - page_bytes, page_bytes, PROT_NONE);
  mprotect(grid.shared + most_shared_bytes, page_bytes, PROT_NONE);
  grid.copies = reinterpret_cast<Copy*>(map(sizeof(Copy) * most_threads * most_copies));
  grid.stacks = map((most_threads + 1) * stack_bytes);
  for (unsigned i = 0; i < most_threads; i++) mprotect(grid.stacks + i * stack_bytes, page_bytes, PROT_NONE);
}

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

void prepare_threads(unsigned count) {
  unsigned x = 0, y = 0, z = 0;
  for (unsigned i = 0; i < (count + warp_lanes - 1) / warp_lanes * warp_lanes; i++) {
    Fiber& fiber = grid.fibers[i];
    fiber.position = {x, y, z};
    fiber.index = i;
    fiber.lane = i % warp_lanes;
    fiber.warp = &grid.warps[i / warp_lanes];
    if (++x == state.threads.x) {
      x = 0;
      if (++y == state.threads.y) {
        y = 0;
        z++;
      }
    }
  }
}

void run_block(unsigned count) {
  state.live = count;
  state.ready_warps = 0;
  for (unsigned w = 0; w < state.warp_count; w++) {
    Warp& warp = grid.warps[w];
    const unsigned lanes = std::min(warp_lanes, count - w * warp_lanes);
    warp.live = warp.ready = lanes == warp_lanes ? ~0u : (1u << lanes) - 1;
    warp.pending = 0;
    warp.index = w;
    warp.last = grid.reversed ? 0 : 31;
    state.ready_warps |= 1u << w;
  }
  std::memset(static_cast<void*>(grid.barriers), 0, sizeof grid.barriers);
  for (unsigned i = 0; i < count; i++) {
    Fiber& fiber = grid.fibers[i];
    // Stacks begin at different places of a page, else they would all use the same lines of the caches.
    fiber.stack_pointer = start_of_fiber(grid.stacks + (i + 1) * stack_bytes - (i % 32) * 320, run_thread);
    fiber.first_copy = fiber.copies = fiber.copy_group = 0;
  }
  std::memset(state.shared, 0xff, size_t(grid.shared + most_shared_bytes - state.shared));
  Warp& first = grid.warps[grid.reversed ? state.warp_count - 1 : 0];
  first.last = next_of(first.ready, first.last);
  state.current = &grid.fibers[first.index * warp_lanes + first.last];
  attention_switch_fiber(&grid.return_to, state.current->stack_pointer);
  state.current = nullptr;
}

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

}  // namespace

void run_grid(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, void (*body)(void*), void* argument) {
  check_shape(shared_limit, blocks, threads, shared_bytes);
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (!grid.stacks) allocate();
  const char* order = std::getenv("ATTENTION_CUDA_EMULATOR_ORDER");
  grid.reversed = order && std::strcmp(order, "reversed") == 0;
  grid.body = body;
  grid.argument = argument;
  grid.error.clear();
  state.blocks = blocks;
  state.threads = threads;
  state.shared_bytes = shared_bytes;
  state.shared = grid.shared + most_shared_bytes - (shared_bytes + 127) / 128 * 128;
  state.warps = grid.warps;
  const unsigned count = threads.x * threads.y * threads.z;
  state.warp_count = (count + warp_lanes - 1) / warp_lanes;
  prepare_threads(count);
  SharedVariables shared_variables;
  const FaultHandlers handlers;
  grid.running = true;
  const uint64_t all = uint64_t(blocks.x) * blocks.y * blocks.z;
  for (uint64_t i = 0; i < all && grid.error.empty(); i++) {
    const uint64_t number = grid.reversed ? all - 1 - i : i;
    state.block = {unsigned(number % blocks.x), unsigned(number / blocks.x % blocks.y),
                   unsigned(number / blocks.x / blocks.y)};
    shared_variables.clear();
    run_block(count);
    if (i + 1 < all) shared_variables.note();
  }
  grid.running = false;
  if (!grid.error.empty()) throw DeviceError("ERR_DEVICE", "emulator: " + grid.error);
}

}  // namespace attention::emulator
