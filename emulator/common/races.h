#pragma once
// Finds two accesses to memory by different threads of a block, one of them writing, that nothing orders.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "threads.h"

namespace attention::emulator {

struct Access {
  const void* address;
  size_t bytes;
  bool writes;
  bool atomic;              // races with no other atomic one
  const void* instruction;  // after it
};

/// The access that another one races with.
struct Other {
  unsigned thread;
  bool writes;
  const void* instruction;
};

/// What a thread knows of the others: the time of each until which it has seen what that one did. Times count what a
/// thread has released; they go on over blocks, so that what was recorded in an earlier block is older than all.
class Knowledge;
using Known = std::shared_ptr<Knowledge>;

/// What threads have released at a barrier or the like, for those that acquire it.
class Released {
  friend class RaceDetector;
  Known known_;
  Known last_;  // of the thread that released last
};

class RaceDetector {
 public:
  RaceDetector();
  ~RaceDetector();
  /// `code`: an address close to the kernel's instructions. `is_watched` tells whether threads may share a page.
  void begin_launch(const void* code, std::function<bool(const void* page)> is_watched);
  void begin_block(unsigned threads);
  void release(Released& released, unsigned thread);
  void acquire(const Released& released, unsigned thread);
  /// Of a thread that has released there: it knows no more than what is there.
  void acquire_joined(const Released& released, unsigned thread) { known_[thread] = released.known_; }
  /// True, and the other access, if the access races.
  bool races(unsigned thread, const Access& access, Other& other);

 private:
  struct Record {
    uint32_t time;  // 0: none
    uint32_t instruction;
    uint16_t thread;
    uint8_t mask;  // of the bytes
    bool writes : 1, atomic : 1;
  };
  static constexpr unsigned granule_bytes = 4;
  static constexpr unsigned records_per_granule = 4;
  struct Granule {
    Record records[records_per_granule];
  };
  struct Page;

  const unsigned char* code_ = nullptr;
  std::function<bool(const void*)> is_watched_;
  unsigned threads_ = 0;
  uint32_t start_ = 0;  // what is older is of an earlier block
  uint32_t latest_ = 0;
  uint32_t times_[most_threads];
  Known known_[most_threads];
  Known acquired_from_, acquired_with_, acquired_;  // the last: warps acquire the same
  std::unordered_map<uintptr_t, Page*> pages_;
  std::vector<std::unique_ptr<Page>> spare_, used_;
  uintptr_t last_number_ = 0;
  Page* last_page_ = nullptr;
  unsigned victim_ = 0;

  Page* page_of(uintptr_t address);
  bool is_ordered(unsigned thread, const Record& record) const;
  bool races(unsigned thread, Granule& granule, const Record& record, Other& other);
};

}  // namespace attention::emulator
