// Threads of a block, which run in turn: a thread runs until it waits, then the next lane of its warp that can go on does,
// or where there is none, the next such warp.

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "device/grid.h"
#include "fiber_switch.h"

namespace attention::emulator {

State state;
Grid grid;

namespace {

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
  attention_switch_fiber(&self.stack_pointer, grid.return_to);
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
  attention_switch_fiber(&self.stack_pointer, next.stack_pointer);
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

}  // namespace

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

void abandon(std::string message) {
  grid.error = std::move(message);
  void* unused;
  attention_switch_fiber(&unused, grid.return_to);
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

}  // namespace attention::emulator
