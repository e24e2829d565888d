#include "execute.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "block_runner.h"

namespace attention::metal {

namespace {

using emulator::Access;
using mtl::AccessKind;

constexpr uint32_t memory_gap = 64;
constexpr size_t memory_bytes =
    mtl::max_threadgroup_memory + (mtl::max_threadgroup_variables + 32) * 2 * memory_gap;
constexpr unsigned device_memory = 0, threadgroup_memory = 1;  // as mem_flags number them

uint64_t threadgroups(const Grid& grid) { return uint64_t(grid.count.x) * grid.count.y * grid.count.z; }

/// What is known of a byte of threadgroup memory.
enum class Byte : uint8_t { unwritten, written, gap };

/// Runs threadgroups of a grid, one after another.
class Worker final : public emulator::BlockRunner {
 public:
  Worker() : BlockRunner(2), memory_(memory_bytes) {}

  void start(const Grid& grid) {
    grid_ = &grid;
    group_.entry = grid.entry;
    group_.allocate = allocate;
    std::copy(std::begin(grid.buffers), std::end(grid.buffers), group_.buffers);
    group_.count = grid.count;
    group_.reversed = grid.reversed;
    group_.checked = grid.checked;
    group_.memory = memory_.begin();
    group_.memory_gap = grid.checked ? memory_gap : 0;
    prepare(group_, grid.size, run_thread);
    if (!grid.checked) return;
    bytes_.resize(memory_bytes);
    const auto code = reinterpret_cast<const void*>(grid.entry);
    races[device_memory].begin_launch(code, [this](const void* page) {
      const auto* at = static_cast<const unsigned char*>(page);
      return std::any_of(grid_->ranges.begin(), grid_->ranges.end(), [&](const Range& range) {
        return at + emulator::page_bytes > range.begin && at < range.end;
      });
    });
    races[threadgroup_memory].begin_launch(code, [](const void*) { return true; });
  }

  /// Returns what went wrong.
  std::string run_threadgroup(const Grid& grid, uint64_t number) {
    group_.position = {uint32_t(number % grid.count.x), uint32_t(number / grid.count.x % grid.count.y),
                       uint32_t(number / grid.count.x / grid.count.y)};
    std::fill(std::begin(group_.variables), std::end(group_.variables), mtl::no_variable);
    group_.memory_used = 0;
    group_.variable_bytes = 0;
    for (unsigned i = 0; i < mtl::max_buffers; i++) {
      group_.dynamic_memory[i] = nullptr;
      const uint32_t bytes = (grid.threadgroup_bytes[i] + 15) / 16 * 16;
      if (bytes) group_.dynamic_memory[i] = group_.memory + allocate(group_, bytes);
    }
    return run(group_);
  }

  void check(const mtl::Thread& self, const void* address, size_t bytes, AccessKind kind, const void* instruction) {
    const bool writes = kind == AccessKind::write || kind == AccessKind::atomic_write;
    const Access access{address, bytes, writes, kind == AccessKind::atomic_read || kind == AccessKind::atomic_write,
                        instruction};
    const auto* at = static_cast<const unsigned char*>(address);
    if (at >= group_.memory && at < group_.memory + group_.memory_used) {
      check_threadgroup_memory(self, size_t(at - group_.memory), access);
      return check_race(threadgroup_memory, self, access, "threadgroup memory");
    }
    const auto* own = reinterpret_cast<const unsigned char*>(&group_);
    if (owns_stack(at) || (at >= own && at + bytes <= own + sizeof group_)) return;
    for (const Range& range : grid_->ranges) {
      if (range.has(at, bytes)) return check_race(device_memory, self, access, range.name.c_str());
    }
    outside(self, access);
  }

 private:
  mtl::Threadgroup group_{};
  emulator::Pages memory_;
  std::vector<Byte> bytes_;  // of threadgroup memory
  const Grid* grid_ = nullptr;

  static void run_thread() {
    mtl::Thread& self = mtl::current();
    mtl::threadgroup_of(self).entry(self);
    emulator::finish_thread(self);
  }

  /// Declares `bytes` of threadgroup memory to be the next array.
  static uint32_t allocate(mtl::Threadgroup& group, uint32_t bytes) {
    const uint32_t offset = group.memory_used;
    group.variable_bytes += bytes;
    group.memory_used += bytes + group.memory_gap;
    std::memset(group.memory + offset, 0xff, bytes);
    if (group.checked) {
      Byte* known = static_cast<Worker*>(group.host)->bytes_.data();
      std::fill(known + offset, known + offset + bytes, Byte::unwritten);
      std::fill(known + offset + bytes, known + group.memory_used, Byte::gap);
    }
    return offset;
  }

  static std::string text_of_access(const Access& access) {
    return (access.writes ? "writes " : "reads ") + std::to_string(access.bytes) + (access.bytes == 1 ? " byte" : " bytes");
  }

  void check_threadgroup_memory(const mtl::Thread& self, size_t offset, const Access& access) {
    // Arrays are apart by gaps, so that what runs over the end of one does not meet the next.
    if (offset + access.bytes > group_.memory_used || bytes_[offset] == Byte::gap ||
        bytes_[offset + access.bytes - 1] == Byte::gap) {
      outside(self, access);
    }
    for (size_t i = offset; i < offset + access.bytes; i++) {
      if (access.writes) {
        bytes_[i] = Byte::written;
      } else if (bytes_[i] == Byte::unwritten) {
        fail_at(self, "uninitialised: " + text_of_access(access) + " of threadgroup memory at " + std::to_string(offset),
                access.instruction);
      }
    }
  }

  [[noreturn]] void outside(const mtl::Thread& self, const Access& access) {
    fail_at(self, "out of bounds: " + text_of_access(access) + ", " + describe_address(access.address), access.instruction);
  }

  std::string describe_address(const void* address) const override {
    const auto* at = static_cast<const unsigned char*>(address);
    if (at < reinterpret_cast<const unsigned char*>(emulator::page_bytes)) return "at a null pointer";
    if (at >= group_.memory && at < group_.memory + group_.memory_used + emulator::page_bytes) {
      return "outside the arrays in threadgroup memory";
    }
    // The nearest thing that it may have meant.
    size_t best = size_t(1) << 30;
    std::string text = "far from every buffer";
    for (const Range& range : grid_->ranges) {
      const size_t distance = size_t(at < range.begin ? range.begin - at : at - range.end);
      if (distance >= best) continue;
      best = distance;
      text = std::to_string(distance) + (at < range.begin ? " bytes before the start of " : " bytes past the end of ") +
             range.name + ", whose length is " + std::to_string(range.end - range.begin);
    }
    return text;
  }

  const char* block_word() const override { return "threadgroup"; }
};

}  // namespace

void accessed(const void* address, size_t bytes, AccessKind kind, const void* instruction) {
  const mtl::Thread& self = mtl::current();
  static_cast<Worker*>(self.block->host)->check(self, address, bytes, kind, instruction);
}

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
    uint64_t seen = 0;
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
    const uint64_t total = threadgroups(*grid);
    worker.start(*grid);
    const emulator::FaultHandlers handlers(worker);
    while (true) {
      const uint64_t begin = next.fetch_add(batch);
      if (begin >= total) return;
      for (uint64_t i = begin; i < std::min(total, begin + batch); ++i) {
        const std::string message = worker.run_threadgroup(*grid, grid->reversed ? total - 1 - i : i);
        if (message.empty()) continue;
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
    const uint64_t total = threadgroups(g);
    const uint64_t size = uint64_t(g.size.x) * g.size.y * g.size.z;
    batch = std::max<uint64_t>(1, std::min<uint64_t>(total / 16, 64));
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
  uint64_t dispatches = 0;
  std::size_t busy = 0;
  bool stop = false;
  const Grid* grid = nullptr;
  std::atomic<uint64_t> next{0};
  uint64_t batch = 1;
  std::string error;
};

Executor::Executor(unsigned workers) : pool_(new Pool(workers)) {}
Executor::~Executor() = default;
std::string Executor::run(const Grid& grid) { return pool_->run(grid); }

}  // namespace attention::metal
