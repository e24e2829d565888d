#pragma once

// Threads of a threadgroup and where they join. Shared by the compiled shaders and the emulator.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "threads.h"

namespace mtl {

using attention::emulator::current;
using attention::emulator::Returned;
using attention::emulator::Site;
using attention::emulator::Thread;
using attention::emulator::Triple;
using Simdgroup = attention::emulator::Warp;

constexpr unsigned simd_width = attention::emulator::warp_lanes;
constexpr unsigned max_threads = attention::emulator::most_threads;
constexpr unsigned max_threadgroup_memory = 32768;
constexpr unsigned max_buffers = 31;
constexpr unsigned max_threadgroup_variables = 64;
constexpr uint32_t no_variable = 0xffffffffu;

struct alignas(64) Exchange {
  unsigned char slots[simd_width][16];  // one value of each lane
  unsigned char result[16];
  float a[64], b[64], d[64];  // simdgroup_matrix
};

struct Threadgroup : attention::emulator::Block {
  void (*entry)(const Thread&);
  uint32_t (*allocate)(Threadgroup&, uint32_t bytes);  // the emulator's, which no checks see
  const void* buffers[max_buffers];
  const void* dynamic_memory[max_buffers];
  unsigned char* memory;
  uint32_t memory_used, memory_gap;               // the gap between variables, for checks
  uint32_t variable_bytes;                        // without gaps
  uint32_t variables[max_threadgroup_variables];  // offsets, no_variable: not yet met
  Exchange exchanges[attention::emulator::most_warps][2];  // used in turns: a lane may be one join ahead of another
};

inline Threadgroup& threadgroup_of(const Thread& thread) { return static_cast<Threadgroup&>(*thread.block); }
inline uint32_t component(const Triple& triple, int i) { return i == 0 ? triple.x : i == 1 ? triple.y : triple.z; }

/// Of the simdgroup's join that is under way, or that it does next.
inline Exchange& exchange_of(const Simdgroup& simdgroup) {
  return threadgroup_of(*simdgroup.first).exchanges[simdgroup.index][simdgroup.generation & 1];
}

template <void (*finish)(Simdgroup&, Exchange&)>
inline void finish_exchange(Simdgroup& simdgroup, unsigned mask) {
  Exchange& exchange = exchange_of(simdgroup);
  for (unsigned rest = ~mask; rest; rest &= rest - 1) {
    const unsigned lane = unsigned(__builtin_ctz(rest));
    std::memset(exchange.slots[lane], 0xff, sizeof exchange.slots[lane]);
  }
  finish(simdgroup, exchange);
}

inline void nothing(Simdgroup&, Exchange&) {}  // no value is exchanged
inline void keep(Simdgroup&, Exchange&) {}     // values are read as they are

/// Waits for all threads of the threadgroup. `order` has the memories whose accesses the barrier orders, as mem_flags.
__attribute__((noinline)) inline void join_threadgroup(Thread& self, const Site& site, unsigned order) {
  attention::emulator::join_block(self, 0, site, Returned::fails, order);
}

/// The lane waits for the others of its simdgroup; the last to come runs `finish`. Before, it has written to the
/// exchange; afterwards it reads from there until its next join. If `strict` no thread of the simdgroup may have returned.
template <void (*finish)(Simdgroup&, Exchange&) = nothing>
__attribute__((noinline)) inline void join_simdgroup(Thread& self, const Site& site, bool strict) {
  Simdgroup& simdgroup = *self.warp;
  if (strict && simdgroup.live != simdgroup.all) {
    self.block->host->fail(self, site, "diverged: not reached by all threads, some of which have returned");
  }
  attention::emulator::join_warp(self, 0, simdgroup.live, nullptr, finish == nothing ? nullptr : finish_exchange<finish>, site,
                                 strict ? Returned::fails : Returned::leaves, true);
}

// What a compiled shader tells the emulator.

struct Argument {
  enum Kind : uint8_t {
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
  uint8_t index;
  const bool* present;  // null: always
};

struct Kernel {
  const char* name;
  void (*entry)(const Thread&);
  const Argument* arguments;
  unsigned argument_count;
};

struct Constant {
  const char* name;
  void (*set)(int64_t, double);  // an integer and the same as a floating point number
  bool* defined;
};

enum class AccessKind : uint8_t { read, write, atomic_read, atomic_write };

/// What a checked shader calls before each access to memory.
using Accessed = void(const void* address, size_t bytes, AccessKind kind, const void* instruction);

struct Module {
  const Kernel* kernels;
  unsigned kernel_count;
  const Constant* constants;
  unsigned constant_count;
  void (*derive_constants)();
  Accessed** accessed;  // null: unchecked. What it points to is null while no kernel runs
  const unsigned char *begin, *end;  // of the library, with the shader's own constants
};

}  // namespace mtl
