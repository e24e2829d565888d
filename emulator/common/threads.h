#pragma once
// Threads of a block (Metal: of a threadgroup) as fibers of one thread of the CPU. A thread runs until it waits; then the
// next lane of its warp (simdgroup) that can go on does, or if there is none, the next such warp.
// Shaders have a copy of these functions each, so what is rare or needs the standard library is left to the Host.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fiber_switch.h"

// So that what is constant at a join costs nothing.
#define ATTENTION_INLINE inline __attribute__((always_inline))

namespace attention::emulator {

constexpr unsigned warp_lanes = 32;
constexpr unsigned most_threads = 1024;
constexpr unsigned most_warps = most_threads / warp_lanes;
constexpr unsigned warpgroup_warps = 4;
constexpr unsigned numbered_barriers = 16;  // of a block
constexpr unsigned most_barriers = numbered_barriers + most_warps / warpgroup_warps;

// The stacks of a block lie in one region, aligned to its size, so that a stack pointer tells its thread: slots 0 and 1
// hold the threads, slot i + 2 is the stack of thread i, whose lowest page is a guard; the last slot is for faults.
constexpr uintptr_t stack_bytes = 128 * 1024;
constexpr uintptr_t region_bytes = uintptr_t(1) << 28;
constexpr unsigned first_stack = 2;

struct Triple {
  unsigned x, y, z;
};

/// Where a thread waits, or what it asks for: the function, and the line that calls it.
struct Site {
  const char* function;
  const char* file;
  unsigned line;
};

struct Block;
struct Warp;

struct alignas(64) Thread {
  void* stack_pointer;
  Block* block;
  Warp* warp;
  void* operands;        // of the join that it waits at
  const Site* waits_at;  // while it waits
  Triple position;
  unsigned index;  // in the block
  unsigned lane;
};
static_assert(sizeof(Thread) * most_threads <= first_stack * stack_bytes);

/// Does the work of a warp function for all lanes of `mask`, whose operands are in place.
using Finish = void(Warp& warp, unsigned mask);

/// Who must come to a join: lanes that return leave it, or it is an error that they have.
enum class Returned { leaves, fails };

struct Join {
  unsigned mask;
  unsigned arrived;
  Returned returned;
  bool orders_memory;
  Finish* finish;
  const Site* site;  // of a lane that waits
};

struct Warp {
  Thread* first;
  unsigned index;
  unsigned all;         // lanes that the block has
  unsigned live;        // lanes that have not returned
  unsigned ready;       // lanes that can go on
  unsigned last;        // the lane that ran last when another warp went on
  unsigned pending;     // joins under way, a bit each
  unsigned generation;  // joins completed
  Join joins[warp_lanes];
};

struct Barrier {
  unsigned arrived;
  unsigned expected;
  Returned returned;
  unsigned order;  // the memories whose accesses it orders, a bit each
  const Site* site;  // of a thread that waits
  unsigned waiting[most_warps];
  unsigned count;  // of the arrivals so far whose predicate is true
  int result[3];   // count, all and any of the last time
};

/// Runs blocks: is told what happens in them, and ends those that go wrong.
struct Host {
  [[noreturn]] virtual void fail(const Thread& self, const Site& site, const char* message) = 0;
  /// Others wait at another join.
  [[noreturn]] virtual void diverged(const Thread& self, const Site& site, const Site& other) = 0;
  /// No thread can go on: wakes some, or ends the block.
  virtual void idle(Block& block) = 0;
  // What orders accesses to memory, told only if `checked`.
  virtual void joined(Warp& warp, unsigned mask) = 0;
  virtual void arrived(Barrier& barrier, Thread& thread) = 0;
  virtual void completed(Barrier& barrier) = 0;

 protected:
  ~Host() = default;
};

struct Block {
  Host* host;
  void* return_to;  // stack pointer of what runs the block
  Triple position, count;  // of the block, and of the grid
  Triple size;             // in threads
  unsigned threads, warp_count;
  unsigned live;         // threads that have not returned
  unsigned ready_warps;  // that have lanes that can go on
  bool reversed;
  bool checked;
  Warp warps[most_warps];
  Barrier barriers[most_barriers];
};

inline Thread& current() {
  uintptr_t stack;
#if defined(__x86_64__)
  asm("mov %%rsp, %0" : "=r"(stack));
#else
  asm("mov %0, sp" : "=r"(stack));
#endif
  const uintptr_t slot = (stack & (region_bytes - 1)) / stack_bytes;
  return reinterpret_cast<Thread*>(stack & ~(region_bytes - 1))[slot - first_stack];
}

/// The next set bit after `last`, around the end; before it in reversed order. `bits` is not 0.
inline unsigned next_of(unsigned bits, unsigned last, bool reversed) {
  if (reversed) {
    const unsigned below = bits & ((1u << last) - 1);
    return 31 - std::countl_zero(below ? below : bits);
  }
  const unsigned above = bits & (~0u << last << 1);
  return std::countr_zero(above ? above : bits);
}

/// A thread of another warp that can go on. If all threads have returned, the block has ended.
__attribute__((noinline)) inline Thread& next_in_other_warp(Thread& self) {
  Block& block = *self.block;
  self.warp->last = self.lane;
  block.ready_warps &= ~(1u << self.warp->index);
  if (!block.ready_warps) {
    if (!block.live) attention_switch_fiber(&self.stack_pointer, block.return_to);
    block.host->idle(block);
  }
  Warp& warp = block.warps[next_of(block.ready_warps, self.warp->index, block.reversed)];
  return warp.first[next_of(warp.ready, warp.last, block.reversed)];
}

/// Lets another thread run until this one is chosen again.
ATTENTION_INLINE void run_next(Thread& self) {
  const unsigned ready = self.warp->ready;
  const bool reversed = self.block->reversed;
  // The next lane mostly: a branch that is predicted saves waiting for what tells.
  Thread& next = !reversed && (ready >> self.lane >> 1 & 1) ? *(&self + 1)
                 : ready ? self.warp->first[next_of(ready, self.lane, reversed)]
                         : next_in_other_warp(self);
  if (&next != &self) attention_switch_fiber(&self.stack_pointer, next.stack_pointer);
}

/// The thread waits until another one wakes it.
inline void suspend(Thread& self, const Site& site) {
  self.waits_at = &site;
  self.warp->ready &= ~(1u << self.lane);
  run_next(self);
}

inline void wake(Warp& warp, unsigned lanes) {
  warp.ready |= lanes;
  warp.first->block->ready_warps |= 1u << warp.index;
}

inline bool differ(const Site& a, const Site& b) {
  return a.line != b.line || (a.function != b.function && std::strcmp(a.function, b.function)) ||
         (a.file != b.file && std::strcmp(a.file, b.file));
}

__attribute__((noinline)) inline void complete(Warp& warp, unsigned key) {
  const Join& join = warp.joins[key];
  warp.pending &= ~(1u << key);
  if (join.finish) join.finish(warp, join.mask);
  warp.generation++;
  Block& block = *warp.first->block;
  if (block.checked && join.orders_memory) block.host->joined(warp, join.mask);
  wake(warp, join.mask);
}

/// Waits for the lanes of `mask`, the last of which runs `finish`. Joins of different masks have different keys.
ATTENTION_INLINE void join_warp(Thread& self, unsigned key, unsigned mask, void* operands, Finish* finish, const Site& site,
                      Returned returned, bool orders_memory) {
  Warp& warp = *self.warp;
  const unsigned bit = 1u << self.lane;
  Join& join = warp.joins[key];
  for (unsigned rest = warp.pending; rest; rest &= rest - 1) {
    const Join& other = warp.joins[std::countr_zero(rest)];
    if ((other.mask & mask) && (other.mask != mask || differ(*other.site, site))) {
      self.block->host->diverged(self, site, *other.site);
    }
  }
  if (!(warp.pending >> key & 1)) {
    warp.pending |= 1u << key;
    join = {mask, 0, returned, orders_memory, finish, &site};
  }
  if (operands) self.operands = operands;
  self.waits_at = &site;
  warp.ready &= ~bit;
  if ((join.arrived |= bit) == mask) complete(warp, key);
  run_next(self);
}

__attribute__((noinline)) inline void complete(Block& block, Barrier& barrier) {
  barrier.result[0] = int(barrier.count);
  barrier.result[1] = barrier.count == barrier.arrived;
  barrier.result[2] = barrier.count != 0;
  barrier.arrived = 0;
  if (block.checked) block.host->completed(barrier);
  for (unsigned w = 0; w < block.warp_count; w++) {
    if (!barrier.waiting[w]) continue;
    wake(block.warps[w], barrier.waiting[w]);
    barrier.waiting[w] = 0;
  }
}

/// Counts a thread at a barrier, of which `expected` are awaited. True: it is the last one, and must `complete` it.
ATTENTION_INLINE bool arrive(Thread& self, Barrier& barrier, unsigned expected, int predicate, const Site& site,
                   Returned returned = Returned::leaves, unsigned order = 1) {
  if (barrier.arrived == 0) {
    barrier.order = order;
    barrier.returned = returned;
    barrier.site = &site;
    barrier.expected = expected;
    barrier.count = 0;
  }
  barrier.count += predicate != 0;
  if (self.block->checked) self.block->host->arrived(barrier, self);
  return ++barrier.arrived == expected;
}

/// Waits at a barrier at which the thread has arrived, and which the last thread completes.
ATTENTION_INLINE const int* wait(Thread& self, Barrier& barrier, bool last, const Site& site) {
  barrier.waiting[self.warp->index] |= 1u << self.lane;
  self.waits_at = &site;
  self.warp->ready &= ~(1u << self.lane);
  if (last) complete(*self.block, barrier);
  run_next(self);
  return barrier.result;
}

/// Waits for all threads of the block. Returns count, all and any of the predicates.
ATTENTION_INLINE const int* join_block(Thread& self, int predicate, const Site& site, Returned returned, unsigned order = 1) {
  Block& block = *self.block;
  Barrier& barrier = block.barriers[0];
  if (barrier.arrived && differ(*barrier.site, site)) block.host->diverged(self, site, *barrier.site);
  if (returned == Returned::fails && block.live != block.threads) {
    block.host->fail(self, site, "diverged: not reached by all threads, some of which have returned");
  }
  return wait(self, barrier, arrive(self, barrier, block.live, predicate, site, returned, order), site);
}

/// The thread leaves the block for good.
[[noreturn]] inline void finish_thread(Thread& self) {
  Block& block = *self.block;
  Warp& warp = *self.warp;
  const unsigned bit = 1u << self.lane;
  warp.live &= ~bit;
  warp.ready &= ~bit;
  block.live--;
  for (unsigned rest = warp.pending; rest; rest &= rest - 1) {
    const unsigned key = std::countr_zero(rest);
    Join& join = warp.joins[key];
    if (!(join.mask & bit)) continue;
    if (join.returned == Returned::fails) {
      block.host->fail(self, *join.site, "a lane of the mask returns from the kernel while others wait for it");
    }
    join.mask &= ~bit;
    if (join.arrived == join.mask) complete(warp, key);
  }
  Barrier& all = block.barriers[0];
  if (all.arrived) {
    if (all.returned == Returned::fails) {
      block.host->fail(self, *all.site, "diverged: not reached by all threads, some of which have returned");
    }
    if (all.arrived == block.live) complete(block, all);
  }
  run_next(self);
  __builtin_unreachable();
}

template <typename T>
T* operands(Warp& warp, unsigned lane) {
  return static_cast<T*>(warp.first[lane].operands);
}

}  // namespace attention::emulator
