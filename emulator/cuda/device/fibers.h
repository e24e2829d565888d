#pragma once
// Threads of a block as fibers of one thread of the CPU: what kernels see of them.

#include <cstddef>
#include <cstdint>

#include "../include/vector_types_emulated.h"

namespace attention::emulator {

constexpr unsigned warp_lanes = 32;
constexpr unsigned most_threads = 1024;
constexpr unsigned most_warps = most_threads / warp_lanes;
constexpr unsigned most_barriers = 16;
constexpr unsigned most_copies = 1024;  // in flight, of a thread

/// Where a thread waits, or what it asks for: the function, and the line that calls it.
struct Site {
  const char* function;
  const char* file;
  unsigned line;
};

struct Warp;
struct Fiber;

/// Does the work of a warp function for all lanes of `mask`, whose operands are in place.
using Finish = void(Warp& warp, unsigned mask);

struct Join {
  unsigned mask;
  unsigned arrived;
  Finish* finish;
  const Site* site;  // of a lane that waits
};

struct Warp {
  unsigned ready;    // lanes that can go on
  unsigned live;     // lanes that have not returned
  unsigned pending;  // joins under way, each by the lowest lane of its mask
  unsigned index;
  unsigned last;     // the lane that ran last
  void* operands[warp_lanes];
  Join joins[warp_lanes];
};

struct Barrier {
  unsigned arrived;
  unsigned expected;
  const Site* site;  // of a thread that waits
  unsigned waiting[most_warps];
  int count, all, any;     // of the arrivals so far
  int result[3];           // count, all and any of the last barrier
};

/// A copy that is not there until the thread waits for it.
struct Copy {
  void* to;
  const void* from;  // null: zeros
  unsigned group;
};

struct alignas(64) Fiber {
  void* stack_pointer;
  uint3 position;
  unsigned index;
  unsigned lane;
  Warp* warp;
  const Site* waits_at;  // while it waits
  unsigned first_copy, copies, copy_group;
};

struct State {
  Fiber* current;
  uint3 block;
  dim3 blocks, threads;
  unsigned char* shared;
  size_t shared_bytes;
  Warp* warps;
  unsigned ready_warps;
  unsigned live;
  unsigned warp_count;
};
extern State state;

/// Waits for the lanes of `mask`, the last of which runs `finish`.
void join_warp(unsigned mask, void* operands, Finish* finish, const Site& site);
/// Waits at a barrier of the block. Barrier 0 is for all threads that have not returned. Returns count, all and any.
const int* join_block(unsigned barrier, unsigned threads, int predicate, const Site& site);
/// Abandons the launch, which throws.
[[noreturn]] void fail(const Site& site, const char* message);

void start_copy(void* to, const void* from, bool valid, const Site& site);
void commit_copies();
void finish_copies(unsigned pending);
/// Whether memory is of the block's shared memory.
bool is_shared(const void* memory, size_t bytes);

template <typename T>
T* operands(Warp& warp, unsigned lane) {
  return static_cast<T*>(warp.operands[lane]);
}

}  // namespace attention::emulator
