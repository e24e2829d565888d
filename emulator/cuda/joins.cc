// Where threads of a block wait for each other.

#include <bit>

#include "grid.h"

namespace attention::emulator {

void fail(const Site& site, const char* message) { block.host->fail(current(), site, message); }

void join_warp(unsigned mask, void* operands, Finish* finish, const Site& site, bool orders_memory) {
  Thread& self = current();
  if (!(mask >> self.lane & 1)) fail(site, "the mask lacks the calling lane");
  if (mask & ~self.warp->live) {
    fail(site, "diverged: the mask has lanes that have returned or that the block does not have");
  }
  join_warp(self, unsigned(std::countr_zero(mask)), mask, operands, finish, site, Returned::fails, orders_memory);
}

const int* join_block(int predicate, const Site& site) {
  return join_block(current(), predicate, site, Returned::leaves);
}

namespace {

Barrier& numbered_barrier(unsigned id, unsigned threads, const Site& site) {
  if (id == 0 || id >= numbered_barriers) fail(site, "expected a barrier from 1 to 15");
  if (threads == 0 || threads % warp_lanes || threads > block.warp_count * warp_lanes) {
    fail(site, "expected a multiple of 32 threads, at most those of the block");
  }
  Barrier& barrier = block.barriers[id];
  if (barrier.arrived && barrier.expected != threads) {
    fail(site, "threads join the same barrier with different numbers of threads");
  }
  return barrier;
}

}  // namespace

void join_barrier(unsigned id, unsigned threads, const Site& site) {
  Thread& self = current();
  Barrier& barrier = numbered_barrier(id, threads, site);
  wait(self, barrier, arrive(self, barrier, threads, 0, site), site);
}

void join_warpgroup(void* operands, void (*finish)(Thread* threads), const Site& site) {
  Thread& self = current();
  const unsigned warpgroup = self.warp->index / warpgroup_warps;
  if (self.warp->index - self.warp->index % warpgroup_warps + warpgroup_warps > block.warp_count) {
    fail(site, "expected a warpgroup of 128 threads, which the block does not have here");
  }
  Barrier& barrier = block.barriers[numbered_barriers + warpgroup];
  if (barrier.arrived && differ(*barrier.site, site)) block.host->diverged(self, site, *barrier.site);
  self.operands = operands;
  constexpr unsigned memories = 0;  // orders none
  const bool last = arrive(self, barrier, warpgroup_warps * warp_lanes, 0, site, Returned::leaves, memories);
  if (last) finish(grid().threads() + warpgroup * warpgroup_warps * warp_lanes);
  wait(self, barrier, last, site);
}

void arrive_at_barrier(unsigned id, unsigned threads, const Site& site) {
  Thread& self = current();
  Barrier& barrier = numbered_barrier(id, threads, site);
  if (arrive(self, barrier, threads, 0, site)) complete(block, barrier);
}

}  // namespace attention::emulator
