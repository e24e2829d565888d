#pragma once

// Threads of a threadgroup as fibers of one worker thread. Shared by the compiled shaders and the emulator.
// Fibers run strictly in turn: the lanes of a simdgroup from one join to the next, then the next simdgroup. A join that
// not all of them reach is therefore seen at once.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fiber_switch.h"

namespace mtl {

constexpr unsigned simd_width = 32;
constexpr unsigned max_threads = 1024;
constexpr unsigned max_threadgroup_memory = 32768;
constexpr unsigned max_buffers = 31;
constexpr unsigned max_threadgroup_variables = 64;

// A worker's stacks lie in one region, aligned to its size, so that a stack pointer tells its fiber:
// slots 0 and 1 hold the fibers themselves, slot i + 2 is the stack of fiber i.
constexpr std::uintptr_t stack_bits = 17;
constexpr std::uintptr_t region_bytes = std::uintptr_t(1) << 28;

/// Where fibers join: the number of the function below and the source line of the call.
struct Join {
  enum Kind : std::uint32_t { threadgroup_barrier, simdgroup_barrier, simdgroup_matrix, simd_function };
  Kind kind;
  std::uint32_t line;
  const char* name;
  bool operator!=(const Join& other) const { return kind != other.kind || line != other.line; }
};

struct Fiber;
struct Simdgroup;
struct Threadgroup;

struct alignas(64) Exchange {
  unsigned char slots[simd_width][16];  // one value of each lane
  unsigned char result[16];
  float a[64], b[64], d[64];  // simdgroup_matrix
};

struct Simdgroup {
  Exchange exchange[2];  // used in turns: a lane may be one join ahead of another
  Fiber* first;          // the lane to go on with
  Simdgroup* next;       // ring of those with live lanes
  Simdgroup* previous;
  Join join;
  void (*complete)(Simdgroup&, Exchange&);
  std::uint32_t arrived, live, size, live_mask;
  std::uint32_t index;
  std::uint32_t generation;  // joins completed
};

struct Range {
  const unsigned char* begin;
  const unsigned char* end;
};

/// What a checked shader records of each byte of threadgroup memory.
struct Shadow {
  struct Access {
    std::uint32_t interval;    // of the threadgroup, 0: none
    std::uint32_t generation;  // of the simdgroup
    std::uint32_t thread;
  };
  Access write;
  Access read, read_in_simdgroup, read_elsewhere;  // the last, the last of another lane, of another simdgroup
  bool written;
  bool gap;  // between arrays: nobody's
};

struct Threadgroup {
  void (*entry)(const Fiber&);
  __attribute__((noreturn)) void (*fail)(const Fiber&, const char* message, const void* instruction);
  std::uint32_t (*allocate)(Threadgroup&, std::uint32_t bytes);  // the emulator's, which no checks see
  const void* buffers[max_buffers];
  const void* dynamic_memory[max_buffers];
  std::uint32_t position[3], count[3], size[3];
  std::uint32_t threads, live;
  std::uint32_t simdgroups, live_simdgroups, arrived;
  Join join;
  std::uint32_t interval;  // between barriers that order threadgroup memory; from 1
  unsigned char* memory;
  std::uint32_t memory_used, memory_gap;     // the gap between variables, for checks
  std::uint32_t variable_bytes;              // without gaps
  std::uint32_t variables[max_threadgroup_variables];  // offsets, no_variable: not yet met
  Shadow* shadow;                            // one per byte, null: unchecked
  const Range* ranges;                       // memory that the shader may touch
  const Range* ranges_end;
  const char* const* range_names;
  void* return_to;
};
constexpr std::uint32_t no_variable = 0xffffffffu;

struct alignas(64) Fiber {
  void* stack_pointer;
  Fiber* next;  // ring of the simdgroup's live lanes
  Fiber* previous;
  Simdgroup* simdgroup;
  Threadgroup* threadgroup;
  std::uint32_t position[3];  // in the threadgroup
  std::uint32_t index;        // in the threadgroup
  std::uint32_t lane;
};
static_assert(sizeof(Fiber) * (max_threads + 2) <= std::uintptr_t(2) << stack_bits);

inline Fiber& current() {
  std::uintptr_t stack;
#if defined(__x86_64__)
  asm("mov %%rsp, %0" : "=r"(stack));
#else
  asm("mov %0, sp" : "=r"(stack));
#endif
  const std::uintptr_t region = stack & ~(region_bytes - 1);
  const std::uintptr_t slot = (stack & (region_bytes - 1)) >> stack_bits;
  return reinterpret_cast<Fiber*>(region)[slot];
}

inline void switch_to(Fiber& self, Fiber& other) {
  if (&self != &other) attention_switch_fiber(&self.stack_pointer, other.stack_pointer);
}

inline unsigned put(char* text, unsigned at, const char* s) {
  while (*s && at < 500) text[at++] = *s++;
  text[at] = 0;
  return at;
}
inline unsigned put(char* text, unsigned at, unsigned n) {
  char digits[12];
  unsigned i = 12;
  digits[--i] = 0;
  do digits[--i] = char('0' + n % 10);
  while (n /= 10);
  return put(text, at, digits + i);
}
inline unsigned put(char* text, unsigned at, const Join& join) {
  at = put(text, at, join.name);
  at = put(text, at, " of line ");
  return put(text, at, join.line);
}

[[noreturn]] __attribute__((noinline, cold)) inline void diverged(const Fiber& self, const Join& here, const Join& there) {
  char text[512];
  unsigned at = put(text, 0, "diverged: this thread reaches ");
  at = put(text, at, here);
  at = put(text, at, " while others wait at ");
  put(text, at, there);
  self.threadgroup->fail(self, text, nullptr);
}

[[noreturn]] __attribute__((noinline, cold)) inline void returned(const Fiber& self, const Join& join) {
  char text[512];
  unsigned at = put(text, 0, "diverged: ");
  at = put(text, at, join);
  put(text, at, " is not reached by all threads, some of which have returned");
  self.threadgroup->fail(self, text, nullptr);
}

inline void complete_join(Simdgroup& group) {
  Exchange& exchange = group.exchange[group.generation & 1];
  if (group.live != simd_width) {
    for (unsigned lane = 0; lane < simd_width; ++lane) {
      if (!(group.live_mask >> lane & 1)) std::memset(exchange.slots[lane], 0xff, sizeof exchange.slots[lane]);
    }
  }
  if (group.complete) group.complete(group, exchange);
  group.arrived = 0;
  ++group.generation;
}

/// The lane waits for the others of its simdgroup; the last to come runs `finish`. Before, it has written to the
/// exchange of the group's current generation; afterwards it reads from there until its next join.
inline void join_simdgroup(Fiber& self, Join join, void (*finish)(Simdgroup&, Exchange&)) {
  Simdgroup& group = *self.simdgroup;
  if (group.arrived == 0) {
    group.join = join;
    group.complete = finish;
    if (join.kind != Join::simd_function && group.live != group.size) returned(self, join);
  } else if (group.join != join) {
    diverged(self, join, group.join);
  }
  if (++group.arrived == group.live) complete_join(group);
  switch_to(self, *self.next);
}

inline void join_threadgroup(Fiber& self, Join join, bool orders_memory) {
  Simdgroup& group = *self.simdgroup;
  Threadgroup& threadgroup = *self.threadgroup;
  if (group.arrived == 0) {
    group.join = join;
    group.complete = nullptr;
    if (threadgroup.live != threadgroup.threads) returned(self, join);
  } else if (group.join != join) {
    diverged(self, join, group.join);
  }
  if (++group.arrived != group.live) return switch_to(self, *self.next);
  if (threadgroup.arrived == 0) {
    threadgroup.join = join;
  } else if (threadgroup.join != join) {
    diverged(self, join, threadgroup.join);
  }
  group.first = self.next;
  complete_join(group);
  if (++threadgroup.arrived == threadgroup.live_simdgroups) {
    threadgroup.arrived = 0;
    threadgroup.interval += orders_memory;
  }
  switch_to(self, *group.next->first);
}

/// Leaves the ring for good.
inline void finish(Fiber& self) {
  Simdgroup& group = *self.simdgroup;
  Threadgroup& threadgroup = *self.threadgroup;
  if (group.arrived && group.join.kind != Join::simd_function) returned(self, group.join);
  if (threadgroup.arrived) returned(self, threadgroup.join);
  --threadgroup.live;
  group.live_mask &= ~(1u << self.lane);
  self.next->previous = self.previous;
  self.previous->next = self.next;
  if (--group.live) {
    if (group.arrived == group.live) complete_join(group);
    attention_switch_fiber(&self.stack_pointer, self.next->stack_pointer);
  }
  group.next->previous = group.previous;
  group.previous->next = group.next;
  if (--threadgroup.live_simdgroups) {
    attention_switch_fiber(&self.stack_pointer, group.next->first->stack_pointer);
  }
  attention_switch_fiber(&self.stack_pointer, threadgroup.return_to);
}

// What a compiled shader tells the emulator.

struct Argument {
  enum Kind : std::uint8_t {
    buffer,
    threadgroup,
    thread_position_in_grid,
    threadgroup_position_in_grid,
    thread_position_in_threadgroup,
    threads_per_grid,
    threads_per_threadgroup,
    threadgroups_per_grid,
    thread_index_in_threadgroup,
    simdgroup_index_in_threadgroup,
    thread_index_in_simdgroup,
    simdgroups_per_threadgroup,
    threads_per_simdgroup,
  };
  Kind kind;
  std::uint8_t index;
  const bool* present;  // null: always
};

struct Kernel {
  const char* name;
  void (*entry)(const Fiber&);
  const Argument* arguments;
  unsigned argument_count;
};

struct Constant {
  const char* name;
  void (*set)(std::int64_t, double);  // an integer and the same as a floating point number
  bool* defined;
};

struct Module {
  const Kernel* kernels;
  unsigned kernel_count;
  const Constant* constants;
  unsigned constant_count;
  void (*derive_constants)();
  bool* running;  // checks apply
};

}  // namespace mtl
