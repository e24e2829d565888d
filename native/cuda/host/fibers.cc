// Threads of a block, which run in turn: a thread runs until it waits, then the next lane of its warp that can go on does,
// or where there is none, the next such warp.

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "device/grid.h"
#include "device/switch.h"
#include "error.h"
#include "launch_host.h"

extern "C" {
extern unsigned char __start_attention_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_attention_shared[] __attribute__((weak, visibility("hidden")));
}

namespace attention::host {

State state;
Grid grid;

namespace {

/// The next set bit after `last`, around the end; before it in reversed order. `bits` is not 0.
unsigned next_of(unsigned bits, unsigned last) {
  if (grid.reversed) {
    const unsigned below = bits & ((1u << last) - 1);
    return 31 - std::countl_zero(below ? below : bits);
  }
  const unsigned above = bits & (~0u << last << 1);
  return std::countr_zero(above ? above : bits);
}

[[noreturn]] void report_deadlock() {
  std::string message = "threads wait for each other:";
  std::vector<std::pair<std::string, std::pair<unsigned, unsigned>>> places;  // with the first thread and how many
  for (unsigned i = 0; i < state.warp_count * warp_lanes; i++) {
    const Fiber& fiber = grid.fibers[i];
    if (!(fiber.warp->live >> fiber.lane & 1)) continue;
    const std::string where = std::string(fiber.waits_at->function) + " (" + place(*fiber.waits_at) + ")";
    auto found = std::find_if(places.begin(), places.end(), [&](auto& p) { return p.first == where; });
    if (found == places.end()) found = places.insert(places.end(), {where, {i, 0}});
    found->second.second++;
  }
  if (places.size() > 4) places.resize(4);
  for (const auto& [where, threads] : places) {
    message += " " + std::to_string(threads.second) + " at " + where + " of which the first is number " +
               std::to_string(threads.first) + ",";
  }
  message += " and " + std::to_string(state.threads.x * state.threads.y * state.threads.z - state.live) +
             " have returned";
  state.current = nullptr;
  abandon(message + position());
}

[[noreturn]] void leave(Fiber& self) {
  attention_cuda_switch(&self.stack_pointer, grid.return_to);
  __builtin_unreachable();
}

/// Lets another thread run until this one is chosen again.
void run_next(Fiber& self) {
  Warp* warp = self.warp;
  if (!warp->ready) {
    state.ready_warps &= ~(1u << warp->index);
    if (!state.ready_warps) {
      if (!state.live) leave(self);
      report_deadlock();
    }
    warp = &grid.warps[next_of(state.ready_warps, warp->index)];
  }
  const unsigned lane = next_of(warp->ready, warp->last);
  warp->last = lane;
  Fiber& next = grid.fibers[warp->index * warp_lanes + lane];
  if (&next == &self) return;
  state.current = &next;
  attention_cuda_switch(&self.stack_pointer, next.stack_pointer);
}

void complete(Barrier& barrier) {
  barrier.result[0] = barrier.count;
  barrier.result[1] = barrier.all;
  barrier.result[2] = barrier.any;
  barrier.arrived = 0;
  for (unsigned w = 0; w < state.warp_count; w++) {
    if (!barrier.waiting[w]) continue;
    grid.warps[w].ready |= barrier.waiting[w];
    state.ready_warps |= 1u << w;
    barrier.waiting[w] = 0;
  }
}

bool differ(const Site& a, const Site& b) {
  return a.line != b.line || (a.function != b.function && std::strcmp(a.function, b.function)) ||
         (a.file != b.file && std::strcmp(a.file, b.file));
}

void run_thread() {
  Fiber& self = *state.current;
  grid.body(grid.argument);
  Warp& warp = *self.warp;
  const unsigned bit = 1u << self.lane;
  for (unsigned rest = warp.pending; rest; rest &= rest - 1) {
    const Join& join = warp.joins[std::countr_zero(rest)];
    if (join.mask & bit) fail(*join.site, "a lane of the mask returns from the kernel while others wait for it");
  }
  warp.live &= ~bit;
  warp.ready &= ~bit;
  state.live--;
  Barrier& all = grid.barriers[0];
  if (all.arrived && all.arrived == state.live) complete(all);
  run_next(self);
  __builtin_unreachable();
}

void allocate() {
  const auto map = [](size_t bytes) {
    void* memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw DeviceError("ERR_DEVICE", "host device: no memory for the stacks of a block");
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
      const size_t bytes = size_t(__stop_attention_shared - __start_attention_shared);
      std::memset(__start_attention_shared, 0xff, bytes);
      return;
    }
    for (unsigned char* chunk : written_) std::memset(chunk, 0xff, bytes_of(chunk));
  }

  void note() {
    if (!first_) return;
    first_ = false;
    for (unsigned char* chunk = __start_attention_shared; chunk < __stop_attention_shared; chunk += chunk_bytes) {
      const unsigned char* end = chunk + bytes_of(chunk);
      if (std::any_of(chunk, const_cast<unsigned char*>(end), [](unsigned char byte) { return byte != 0xff; })) {
        written_.push_back(chunk);
      }
    }
  }

 private:
  static constexpr size_t chunk_bytes = 1024;
  static size_t bytes_of(unsigned char* chunk) {
    return std::min(chunk_bytes, size_t(__stop_attention_shared - chunk));
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
    auto* top = reinterpret_cast<uintptr_t*>(grid.stacks + (i + 1) * stack_bytes - (i % 32) * 320);
#if defined(__x86_64__)
    uintptr_t* frame = top - 2 - (saved_words - 1);
    frame[saved_words - 1] = reinterpret_cast<uintptr_t>(run_thread);
#else
    uintptr_t* frame = top - saved_words;
    frame[11] = reinterpret_cast<uintptr_t>(run_thread);
#endif
    fiber.stack_pointer = frame;
    fiber.first_copy = fiber.copies = fiber.copy_group = 0;
  }
  std::memset(state.shared, 0xff, size_t(grid.shared + most_shared_bytes - state.shared));
  Warp& first = grid.warps[grid.reversed ? state.warp_count - 1 : 0];
  first.last = next_of(first.ready, first.last);
  state.current = &grid.fibers[first.index * warp_lanes + first.last];
  attention_cuda_switch(&grid.return_to, state.current->stack_pointer);
  state.current = nullptr;
}

void check_shape(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes) {
  const auto refuse = [](const std::string& what) { throw DeviceError("ERR_DEVICE", "host device: " + what); };
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

Barrier& barrier(unsigned id) { return grid.barriers[id]; }

void abandon(std::string message) {
  grid.error = std::move(message);
  void* unused;
  attention_cuda_switch(&unused, grid.return_to);
  __builtin_unreachable();
}

std::string place(const Site& site) {
  const char* slash = std::strrchr(site.file, '/');
  return std::string(slash ? slash + 1 : site.file) + ":" + std::to_string(site.line);
}

std::string position() {
  const auto three = [](auto v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
  };
  std::string text = " [block " + three(state.block) + " of " + three(state.blocks);
  if (state.current) text += ", thread " + three(state.current->position);
  return text + " of " + three(state.threads) + "]";
}

void fail(const Site& site, const char* message) {
  abandon(std::string(site.function) + " (" + place(site) + "): " + message + position());
}

void join_warp(unsigned mask, void* operands, Finish* finish, const Site& site) {
  Fiber& self = *state.current;
  Warp& warp = *self.warp;
  const unsigned bit = 1u << self.lane;
  if (!(mask & bit)) fail(site, "the mask lacks the calling lane");
  if (mask & ~warp.live) fail(site, "diverged: the mask has lanes that have returned or that the block does not have");
  const unsigned key = std::countr_zero(mask);
  Join& join = warp.joins[key];
  if (warp.pending & mask) {
    for (unsigned rest = warp.pending; rest; rest &= rest - 1) {
      const Join& other = warp.joins[std::countr_zero(rest)];
      if (!(other.mask & mask)) continue;
      if (other.mask != mask || differ(*other.site, site)) {
        const std::string text = std::string("diverged: other lanes of the mask wait at ") + other.site->function + " (" +
                                 place(*other.site) + ")";
        fail(site, text.c_str());
      }
    }
  }
  if (!(warp.pending >> key & 1)) {
    warp.pending |= 1u << key;
    join = {mask, 0, finish, &site};
  }
  warp.operands[self.lane] = operands;
  self.waits_at = &site;
  warp.ready &= ~bit;
  if ((join.arrived |= bit) == mask) {
    warp.pending &= ~(1u << key);
    if (finish) finish(warp, mask);
    warp.ready |= mask;
  }
  run_next(self);
}

const int* join_block(unsigned id, unsigned threads, int predicate, const Site& site) {
  Fiber& self = *state.current;
  if (id >= most_barriers) fail(site, "expected a barrier from 0 to 15");
  if (id > 0 && (threads == 0 || threads % warp_lanes || threads > state.warp_count * warp_lanes)) {
    fail(site, "expected a multiple of 32 threads, at most those of the block");
  }
  Barrier& barrier = grid.barriers[id];
  const unsigned expected = id == 0 ? state.live : threads;
  if (barrier.arrived == 0) {
    barrier.site = &site;
    barrier.expected = expected;
    barrier.count = barrier.any = 0;
    barrier.all = 1;
  } else if (id == 0 && differ(*barrier.site, site)) {
    const std::string text = std::string("diverged: other threads of the block wait at ") + barrier.site->function +
                             " (" + place(*barrier.site) + ")";
    fail(site, text.c_str());
  } else if (id > 0 && barrier.expected != threads) {
    fail(site, "threads join the same barrier with different numbers of threads");
  }
  barrier.count += predicate != 0;
  barrier.all &= predicate != 0;
  barrier.any |= predicate != 0;
  self.waits_at = &site;
  self.warp->ready &= ~(1u << self.lane);
  barrier.waiting[self.warp->index] |= 1u << self.lane;
  if (++barrier.arrived == expected) complete(barrier);
  run_next(self);
  return barrier.result;
}

void run_grid(int shared_limit, dim3 blocks, dim3 threads, size_t shared_bytes, void (*body)(void*), void* argument) {
  check_shape(shared_limit, blocks, threads, shared_bytes);
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (!grid.stacks) allocate();
  const char* order = std::getenv("ATTENTION_CUDA_HOST_ORDER");
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
    shared_variables.note();
  }
  grid.running = false;
  if (!grid.error.empty()) throw DeviceError("ERR_DEVICE", "host device: " + grid.error);
}

}  // namespace attention::host
