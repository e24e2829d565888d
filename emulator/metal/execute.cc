#include "execute.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace attention::metal {

namespace {

constexpr std::uint32_t kMemoryGap = 64;
constexpr std::size_t kMemoryBytes = mtl::max_threadgroup_memory + (mtl::max_threadgroup_variables + 32) * 2 * kMemoryGap;
constexpr std::uintptr_t kStackBytes = std::uintptr_t(1) << mtl::stack_bits;

void runFiber() {
  mtl::Fiber& self = mtl::current();
  self.threadgroup->entry(self);
  mtl::finish(self);
}

/// Declares `bytes` of threadgroup memory to be the next array.
std::uint32_t allocate(mtl::Threadgroup& group, std::uint32_t bytes) {
  const std::uint32_t offset = group.memory_used;
  group.variable_bytes += bytes;
  group.memory_used += bytes + group.memory_gap;
  std::memset(group.memory + offset, 0xff, bytes);
  if (group.shadow) {
    std::memset(static_cast<void*>(group.shadow + offset), 0, bytes * sizeof(mtl::Shadow));
    for (std::uint32_t i = offset + bytes; i < group.memory_used; ++i) group.shadow[i].gap = true;
  }
  return offset;
}

/// "file:line" of an instruction, by binutils' addr2line; empty where that is not to be had.
std::string locate(const void* instruction) {
  Dl_info info;
  if (!instruction || !dladdr(instruction, &info) || !info.dli_fname) return "";
  char command[1200];
  std::snprintf(command, sizeof command, "addr2line -e '%s' %p 2>/dev/null", info.dli_fname,
                reinterpret_cast<void*>(static_cast<const char*>(instruction) - static_cast<const char*>(info.dli_fbase) - 1));
  std::FILE* pipe = popen(command, "r");
  if (!pipe) return "";
  char text[512] = {};
  const bool read = std::fgets(text, sizeof text, pipe) != nullptr;
  pclose(pipe);
  std::string line = read ? text : "";
  line = line.substr(0, line.find_first_of("\n ("));
  if (line.find('?') != std::string::npos) return "";
  return line.substr(line.rfind('/') + 1);
}

/// The stacks of a worker and what its threadgroup holds.
class Worker {
 public:
  Worker() {
    void* memory = mmap(nullptr, 2 * mtl::region_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no address space for the stacks of a threadgroup");
    const auto at = reinterpret_cast<std::uintptr_t>(memory);
    region_ = (at + mtl::region_bytes - 1) & ~(mtl::region_bytes - 1);
    if (region_ > at) munmap(memory, region_ - at);
    const std::uintptr_t end = at + 2 * mtl::region_bytes;
    if (end > region_ + mtl::region_bytes) {
      munmap(reinterpret_cast<void*>(region_ + mtl::region_bytes), end - region_ - mtl::region_bytes);
    }
    memory_.reset(static_cast<unsigned char*>(std::aligned_alloc(256, (kMemoryBytes + 255) / 256 * 256)));
    state_.reset(new State());
  }
  ~Worker() { munmap(reinterpret_cast<void*>(region_), mtl::region_bytes); }
  Worker(const Worker&) = delete;

  void prepare(const Grid& grid) {
    mtl::Threadgroup& group = state_->threadgroup;
    group.entry = grid.entry;
    group.fail = fail;
    group.allocate = allocate;
    std::copy(std::begin(grid.buffers), std::end(grid.buffers), group.buffers);
    std::copy(grid.count, grid.count + 3, group.count);
    std::copy(grid.size, grid.size + 3, group.size);
    group.threads = grid.size[0] * grid.size[1] * grid.size[2];
    group.simdgroups = (group.threads + mtl::simd_width - 1) / mtl::simd_width;
    group.memory = memory_.get();
    group.memory_gap = grid.checked ? kMemoryGap : 0;
    if (grid.checked && !shadow_) shadow_.reset(new mtl::Shadow[kMemoryBytes]);
    group.shadow = grid.checked ? shadow_.get() : nullptr;
    ranges_ = grid.ranges;
    names_.clear();
    for (const std::string& name : grid.range_names) names_.push_back(name.c_str());
    const auto add = [&](const void* begin, std::size_t bytes, const char* name) {
      ranges_.push_back({static_cast<const unsigned char*>(begin), static_cast<const unsigned char*>(begin) + bytes});
      names_.push_back(name);
    };
    add(reinterpret_cast<void*>(region_), mtl::region_bytes, "the threads' stacks");
    add(state_.get(), sizeof(State), "the threadgroup's state");
    group.ranges = ranges_.data();
    group.ranges_end = ranges_.data() + ranges_.size();
    group.range_names = names_.data();
    if (guarded_ < group.threads) {
      for (; guarded_ < group.threads; ++guarded_) {
        mprotect(reinterpret_cast<void*>(region_ + (guarded_ + 2) * kStackBytes), 4096, PROT_NONE);
      }
    }
    std::uint32_t x = 0, y = 0, z = 0;
    for (std::uint32_t i = 0; i < group.threads; ++i) {
      mtl::Fiber& fiber = fibers()[i];
      fiber.threadgroup = &group;
      fiber.simdgroup = &state_->simdgroups[i / mtl::simd_width];
      fiber.position[0] = x;
      fiber.position[1] = y;
      fiber.position[2] = z;
      fiber.index = i;
      fiber.lane = i % mtl::simd_width;
      if (++x == group.size[0]) {
        x = 0;
        if (++y == group.size[1]) {
          y = 0;
          ++z;
        }
      }
    }
  }

  /// Returns what went wrong.
  std::string run(const Grid& grid, std::uint64_t number) {
    mtl::Threadgroup& group = state_->threadgroup;
    group.position[0] = static_cast<std::uint32_t>(number % grid.count[0]);
    group.position[1] = static_cast<std::uint32_t>(number / grid.count[0] % grid.count[1]);
    group.position[2] = static_cast<std::uint32_t>(number / grid.count[0] / grid.count[1]);
    group.live = group.threads;
    group.live_simdgroups = group.simdgroups;
    group.arrived = 0;
    group.interval = 1;
    std::fill(std::begin(group.variables), std::end(group.variables), mtl::no_variable);
    group.memory_used = 0;
    group.variable_bytes = 0;
    for (unsigned i = 0; i < mtl::max_buffers; ++i) {
      group.dynamic_memory[i] = nullptr;
      const std::uint32_t bytes = (grid.threadgroup_bytes[i] + 15) / 16 * 16;
      if (!bytes) continue;
      group.dynamic_memory[i] = group.memory + allocate(group, bytes);
    }
    for (std::uint32_t g = 0; g < group.simdgroups; ++g) startSimdgroup(g);
    error_.clear();
    void* first = group.simdgroups ? state_->simdgroups[0].first->stack_pointer : nullptr;
    if (first) attention_switch_fiber(&group.return_to, first);
    return error_;
  }

 private:
  struct State {
    mtl::Threadgroup threadgroup;
    mtl::Simdgroup simdgroups[mtl::max_threads / mtl::simd_width];
    Worker* worker;
  };
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  std::uintptr_t region_;
  std::unique_ptr<unsigned char, Free> memory_;
  std::unique_ptr<State> state_;
  std::unique_ptr<mtl::Shadow[]> shadow_;
  std::vector<mtl::Range> ranges_;
  std::vector<const char*> names_;
  std::uint32_t guarded_ = 0;
  std::string error_;

  mtl::Fiber* fibers() { return reinterpret_cast<mtl::Fiber*>(region_) + 2; }

  void startSimdgroup(std::uint32_t index) {
    mtl::Threadgroup& group = state_->threadgroup;
    mtl::Simdgroup& simdgroup = state_->simdgroups[index];
    const std::uint32_t begin = index * mtl::simd_width;
    const std::uint32_t lanes = std::min(mtl::simd_width, group.threads - begin);
    simdgroup.first = &fibers()[begin];
    simdgroup.next = &state_->simdgroups[(index + 1) % group.simdgroups];
    simdgroup.previous = &state_->simdgroups[(index + group.simdgroups - 1) % group.simdgroups];
    simdgroup.arrived = 0;
    simdgroup.live = simdgroup.size = lanes;
    simdgroup.live_mask = lanes == 32 ? ~0u : (1u << lanes) - 1;
    simdgroup.index = index;
    simdgroup.generation = 0;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      mtl::Fiber& fiber = fibers()[begin + lane];
      fiber.next = &fibers()[begin + (lane + 1) % lanes];
      fiber.previous = &fibers()[begin + (lane + lanes - 1) % lanes];
      // Stacks start at different offsets, so that they do not all fall into the same cache sets.
      const std::uint32_t i = begin + lane;
      const std::uintptr_t top = region_ + (i + 3) * kStackBytes - i * 832 % 49152 - 64;
      fiber.stack_pointer = start_of_fiber(reinterpret_cast<void*>(top), runFiber);
    }
    state_->worker = this;
  }

  __attribute__((noreturn)) static void fail(const mtl::Fiber& fiber, const char* message, const void* instruction) {
    // The threads are left where they are: a shader has nothing to clean up.
    mtl::Threadgroup& group = *fiber.threadgroup;
    Worker& worker = *reinterpret_cast<State*>(&group)->worker;
    worker.failed(fiber, message, instruction);
    void* unused;
    attention_switch_fiber(&unused, group.return_to);
    std::abort();
  }

  void failed(const mtl::Fiber& fiber, const char* message, const void* instruction) {
    const mtl::Threadgroup& group = *fiber.threadgroup;
    const auto triple = [](const std::uint32_t* v) {
      return "(" + std::to_string(v[0]) + ", " + std::to_string(v[1]) + ", " + std::to_string(v[2]) + ")";
    };
    instruction_ = instruction;
    error_ = "threadgroup " + triple(group.position) + ", thread " + triple(fiber.position) + ": " + message;
  }

 public:
  std::string where() const { return locate(instruction_); }

 private:
  const void* instruction_ = nullptr;
};

}  // namespace

struct Executor::Pool {
  explicit Pool(unsigned count) {
    for (unsigned i = 0; i < std::max(count, 1u); ++i) workers.emplace_back(new Worker());
    for (unsigned i = 1; i < workers.size(); ++i) {
      threads.emplace_back([this, i] { serve(*workers[i]); });
    }
  }
  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void serve(Worker& worker) {
    std::uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stop || dispatches != seen; });
      if (stop) return;
      seen = dispatches;
      lock.unlock();
      work(worker);
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }

  void work(Worker& worker) {
    const std::uint64_t total = std::uint64_t(grid->count[0]) * grid->count[1] * grid->count[2];
    worker.prepare(*grid);
    while (true) {
      const std::uint64_t begin = next.fetch_add(batch);
      if (begin >= total) return;
      for (std::uint64_t i = begin; i < std::min(total, begin + batch); ++i) {
        std::string message = worker.run(*grid, i);
        if (message.empty()) continue;
        const std::string where = worker.where();
        if (!where.empty()) message += " (" + where + ")";
        std::lock_guard<std::mutex> lock(mutex);
        if (error.empty()) error = message;
        next = total;
        return;
      }
    }
  }

  std::string run(const Grid& g) {
    grid = &g;
    next = 0;
    error.clear();
    const std::uint64_t total = std::uint64_t(g.count[0]) * g.count[1] * g.count[2];
    const std::uint64_t size = std::uint64_t(g.size[0]) * g.size[1] * g.size[2];
    batch = std::max<std::uint64_t>(1, std::min<std::uint64_t>(total / 16, 64));
    const bool shared = threads.size() > 0 && total > 1 && total * size > 1024;
    if (shared) {
      {
        std::lock_guard<std::mutex> lock(mutex);
        ++dispatches;
        busy = threads.size();
      }
      wake.notify_all();
    }
    work(*workers[0]);
    if (shared) {
      std::unique_lock<std::mutex> lock(mutex);
      done.wait(lock, [&] { return busy == 0; });
    }
    return error;
  }

  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake, done;
  std::uint64_t dispatches = 0;
  std::size_t busy = 0;
  bool stop = false;
  const Grid* grid = nullptr;
  std::atomic<std::uint64_t> next{0};
  std::uint64_t batch = 1;
  std::string error;
};

Executor::Executor(unsigned workers) : pool_(new Pool(workers)) {}
Executor::~Executor() = default;
std::string Executor::run(const Grid& grid) { return pool_->run(grid); }

}  // namespace attention::metal
