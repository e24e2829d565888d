#include "block_runner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "symbols.h"

namespace attention::emulator {

namespace {

std::string name_of(const Site& site) {
  return std::string(site.function) + " (" + place(site.file, site.line) + ")";
}

const void* before(const void* instruction) { return static_cast<const char*>(instruction) - 1; }

}  // namespace

std::string text_of(const Triple& triple) {
  return "(" + std::to_string(triple.x) + ", " + std::to_string(triple.y) + ", " + std::to_string(triple.z) + ")";
}

BlockRunner::BlockRunner(unsigned memories)
    : races(memories), region_(region_bytes, region_bytes), barriers_(memories) {}

void BlockRunner::prepare(Block& block, Triple size, void (*start)()) {
  block_ = &block;
  start_ = start;
  block.host = this;
  block.size = size;
  block.threads = size.x * size.y * size.z;
  block.warp_count = (block.threads + warp_lanes - 1) / warp_lanes;
  for (; guarded_ < block.threads; guarded_++) region_.guard((guarded_ + first_stack) * stack_bytes);
  Triple position{};
  for (unsigned i = 0; i < block.threads; i++) {
    Thread& thread = threads()[i];
    thread = {nullptr, &block, &block.warps[i / warp_lanes], nullptr, nullptr, position, i, i % warp_lanes};
    if (++position.x < size.x) continue;
    position.x = 0;
    if (++position.y < size.y) continue;
    position.y = 0;
    position.z++;
  }
}

std::string BlockRunner::run(Block& block) {
  block.live = block.threads;
  block.ready_warps = 0;
  for (unsigned w = 0; w < block.warp_count; w++) {
    Warp& warp = block.warps[w];
    const unsigned lanes = std::min(warp_lanes, block.threads - w * warp_lanes);
    warp.first = &threads()[w * warp_lanes];
    warp.index = w;
    warp.all = warp.live = warp.ready = lanes == warp_lanes ? ~0u : (1u << lanes) - 1;
    warp.last = block.reversed ? 0 : 31;
    warp.pending = warp.generation = 0;
    block.ready_warps |= 1u << w;
  }
  for (Barrier& barrier : block.barriers) barrier = {};
  for (unsigned i = 0; i < block.threads; i++) {
    // Stacks begin at different places, else they would all use the same lines of the caches.
    threads()[i].stack_pointer = start_of_fiber(stack_end(i) - i * 832 % 49152 - 64, start_);
  }
  if (block.checked) {
    for (RaceDetector& detector : races) detector.begin_block(block.threads);
    for (auto& barriers : barriers_) barriers.fill({});
  }
  error_.clear();
  Warp& first = block.warps[block.reversed ? block.warp_count - 1 : 0];
  first.last = next_of(first.ready, first.last, block.reversed);
  attention_switch_fiber(&block.return_to, first.first[first.last].stack_pointer);
  watch_no_nan();
  return std::move(error_);
}

void BlockRunner::abandon(std::string message) {
  // The threads are left where they are: a kernel has nothing to clean up.
  error_ = std::move(message);
  void* unused;
  attention_switch_fiber(&unused, block_->return_to);
  __builtin_unreachable();
}

std::string BlockRunner::position(const Thread* thread) const {
  std::string text = std::string(" [") + block_word() + " " + text_of(block_->position) + " of " + text_of(block_->count);
  if (thread) text += ", thread " + text_of(thread->position);
  return text + " of " + text_of(block_->size) + "]";
}

void BlockRunner::fail(const Thread& self, const Site& site, const char* message) {
  abandon(name_of(site) + ": " + message + position(&self));
}

void BlockRunner::diverged(const Thread& self, const Site& site, const Site& other) {
  abandon(name_of(site) + ": diverged: other threads wait at " + name_of(other) + position(&self));
}

std::string BlockRunner::deadlock_text(const Block& block) const {
  std::vector<std::pair<std::string, std::pair<unsigned, unsigned>>> places;  // with the first thread and how many
  for (unsigned i = 0; i < block.threads; i++) {
    const Thread& thread = threads()[i];
    if (!(thread.warp->live >> thread.lane & 1)) continue;
    const std::string where = name_of(*thread.waits_at);
    auto found = std::find_if(places.begin(), places.end(), [&](auto& p) { return p.first == where; });
    if (found == places.end()) found = places.insert(places.end(), {where, {i, 0}});
    found->second.second++;
  }
  if (places.size() > 4) places.resize(4);
  std::string message = "diverged: threads wait for each other:";
  for (const auto& [where, threads] : places) {
    message += " " + std::to_string(threads.second) + " at " + where + " of which the first is number " +
               std::to_string(threads.first) + ",";
  }
  return message + " and " + std::to_string(block.threads - block.live) + " have returned" + describe_waits() + position(nullptr);
}

void BlockRunner::idle(Block& block) {
  if (!wake_some()) abandon(deadlock_text(block));
}

void BlockRunner::joined(Warp& warp, unsigned mask) {
  for (RaceDetector& detector : races) {
    Released released;
    for (unsigned rest = mask; rest; rest &= rest - 1) {
      detector.release(released, warp.first[std::countr_zero(rest)].index);
    }
    for (unsigned rest = mask; rest; rest &= rest - 1) {
      detector.acquire_joined(released, warp.first[std::countr_zero(rest)].index);
    }
  }
}

void BlockRunner::arrived(Barrier& barrier, Thread& thread) {
  for (unsigned i = 0; i < races.size(); i++) {
    if (barrier.order >> i & 1) races[i].release(barriers_[i][&barrier - block_->barriers], thread.index);
  }
}

void BlockRunner::completed(Barrier& barrier) {
  for (unsigned i = 0; i < races.size(); i++) {
    if (!(barrier.order >> i & 1)) continue;
    Released& released = barriers_[i][&barrier - block_->barriers];
    for (unsigned w = 0; w < block_->warp_count; w++) {
      for (unsigned rest = barrier.waiting[w]; rest; rest &= rest - 1) {
        races[i].acquire_joined(released, w * warp_lanes + std::countr_zero(rest));
      }
    }
    released = {};
  }
}

void BlockRunner::fail_at(const Thread& self, const std::string& message, const void* instruction) {
  const std::string where = locate(before(instruction));
  abandon(message + (where.empty() ? "" : " (" + where + ")") + position(&self));
}

void BlockRunner::check_race(unsigned memory, const Thread& self, const Access& access, const char* name) {
  Other other;
  if (!races[memory].races(self.index, access, other)) return;
  const auto what = [](bool writes) { return writes ? "writes" : "reads"; };
  const std::string here = locate(before(access.instruction));
  const std::string there = locate(before(other.instruction));
  abandon(std::string("race: a thread ") + what(access.writes) + " " + std::to_string(access.bytes) +
          (access.bytes == 1 ? " byte of " : " bytes of ") + name + " (" + here + ") that thread " +
          text_of(threads()[other.thread].position) + " " + what(other.writes) + " (" + there +
          ") with no barrier between" + position(&self));
}

}  // namespace attention::emulator
