#pragma once
// What goes on in a block besides its threads: copies of boxes and products, and the barriers that count bytes.

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "grid.h"
#include "hopper_emulated.h"

namespace attention::emulator {

/// A place in a kernel for as long as the launch lasts: the strings of a Site are constants.
using Place = Site;

/// A barrier in shared memory (mbarrier).
struct PhaseBarrier {
  int arrivals = 0;  // that a phase awaits
  int missing = 0;   // of them, in this phase
  int64_t bytes = 0;  // expected and not come
  unsigned phase = 0;
  bool published = false;
  std::array<unsigned, most_warps> waiting{};
  Released current, completed;  // by the arrivals of this phase and of the last
};

/// A box on its way to shared memory.
struct BoxCopy {
  unsigned char* to;
  std::vector<unsigned char> bytes;
  uint64_t* barrier;
  Place place;

  bool meets(const unsigned char* begin, const unsigned char* end) const {
    return begin < to + bytes.size() && to < end;
  }
};

/// Sums that products of a warpgroup add to, apart from the threads' registers until these are waited for.
struct Sums {
  std::array<float*, 128> registers;
  std::vector<float> values;  // of each thread in turn
  int per_thread;
  std::array<int, 4> products{};  // under way, of each warp
};

struct Product {
  std::shared_ptr<Sums> sums;
  uint64_t a, b;
  std::array<const uint32_t*, 128> a_registers;
  std::vector<uint32_t> a_values;  // of the registers, empty: a is in shared memory
  bool add, is_bfloat16, is_b_transposed;
  int columns;
  unsigned group;
  const unsigned char *begin = nullptr, *end = nullptr;  // between which all lies that it reads
  unsigned done = 0;  // a bit per warp that has waited for it
  Place place;
};

struct Warpgroup {
  std::list<Product> products;
  std::array<unsigned, 4> commits{};
  std::array<bool, 4> begun{};
};

class Hopper {
 public:
  void begin_block();
  /// What was left under way; empty: nothing.
  std::string leftover() const;
  /// Copies arrive that somebody waits for; true: a thread can go on.
  bool land_copies();
  std::string describe_waits() const;

  PhaseBarrier& barrier_of(uint64_t& barrier, const Site& site);
  void complete_if_done(PhaseBarrier& barrier);
  /// Fails if a box is on its way to the memory, or a product still reads it.
  void check_read(const unsigned char* begin, size_t bytes, const Site& site) const;
  void check_overwrite(const unsigned char* begin, size_t bytes, const Site& site) const;
  /// The box that is on its way there; null: none.
  const BoxCopy* copy_to(const unsigned char* begin, size_t bytes) const;
  /// The product that still reads there; null: none.
  const Product* product_of(const unsigned char* begin, size_t bytes) const;

  // Writes by threads that `fence_async_proxy` has not told of, in a checked build.
  void note_write(const Thread& thread, const unsigned char* begin, size_t bytes, const void* instruction);
  void forget_writes(const unsigned char* begin, size_t bytes);
  bool has_no_products() const {
    return std::all_of(warpgroups.begin(), warpgroups.end(), [](auto& warpgroup) { return warpgroup.products.empty(); });
  }
  void fence(const Thread& thread) { fences_[thread.index]++; }
  /// The instruction of a write there that no fence followed; null: none.
  const void* unfenced_write(const unsigned char* begin, size_t bytes) const;

  std::unordered_map<uint64_t*, PhaseBarrier> barriers;
  std::list<BoxCopy> copies;
  std::array<Warpgroup, most_warps / warpgroup_warps> warpgroups;
  bool used = false;  // in this block

 private:
  struct Write {
    uint32_t fences;
    uint16_t thread;
    const void* instruction;
  };
  static constexpr size_t write_bytes = 16;
  std::vector<Write> writes_;  // per 16 bytes of dynamic shared memory
  std::array<uint32_t, most_threads> fences_{};
};
Hopper& hopper();

/// The rows of 16 bytes that an operand of a product has in shared memory.
struct Matrix {
  uint64_t descriptor;
  bool is_transposed;  // MN-major
  int rows;            // of a, or columns of b
};
/// The 8 elements from `inner` of row `row` on, or if transposed from row `row` of `inner` on. Null: not in shared memory.
const uint16_t* chunk_of(const Matrix& matrix, int row, int inner);
/// Byte offset with its 16-byte chunks exchanged as a swizzle of 32, 64 or 128 bytes does it.
constexpr uint32_t swizzle(uint32_t offset, uint32_t width) {
  return offset ^ ((offset >> 7 & (width / 16 - 1)) << 4);
}

}  // namespace attention::emulator
