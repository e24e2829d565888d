// Barriers that count bytes, and copies of boxes.

#include "hopper.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/error.h"
#include "device/runtime.h"
#include "symbols.h"

namespace attention::emulator {

namespace {

constexpr uint32_t map_mark = 0x74656e73;
constexpr unsigned row_bytes = 128;  // of a box: what its swizzle is wide

/// What a TensorMap holds here.
struct Map {
  uint32_t mark;
  uint32_t size[tensor_map_rank];
  const unsigned char* data;
  uint64_t stride_bytes[tensor_map_rank];
  uint32_t box[tensor_map_rank];
};
static_assert(sizeof(Map) <= sizeof(TensorMap));

std::string name_of(const Site& site) { return std::string(site.function) + " (" + place(site.file, site.line) + ")"; }

[[noreturn]] void fail_with(const Site& site, const std::string& message) { fail(site, message.c_str()); }

void release(Released& released) {
  if (block.checked) grid().races[0].release(released, current().index);
}

}  // namespace

Hopper& hopper() {
  static Hopper instance;
  return instance;
}

void Hopper::begin_block() {
  if (!used) return;
  barriers.clear();
  copies.clear();
  for (Warpgroup& warpgroup : warpgroups) warpgroup = {};
  writes_.clear();
  used = false;
}

std::string Hopper::leftover() const {
  if (!copies.empty()) return name_of(copies.front().place) + ": the block ends before anybody waits for the box";
  for (const Warpgroup& warpgroup : warpgroups) {
    if (!warpgroup.products.empty()) {
      return name_of(warpgroup.products.front().place) + ": the block ends before the product is waited for";
    }
  }
  return "";
}

PhaseBarrier& Hopper::barrier_of(uint64_t& barrier, const Site& site) {
  const auto found = barriers.find(&barrier);
  if (found == barriers.end()) fail(site, "the barrier was not prepared by init_barrier");
  if (block.checked) accessed_atomically(&barrier, sizeof barrier, __builtin_return_address(0));
  return found->second;
}

void Hopper::complete_if_done(PhaseBarrier& barrier) {
  if (barrier.missing || barrier.bytes) return;
  barrier.missing = barrier.arrivals;
  barrier.phase++;
  barrier.completed = std::exchange(barrier.current, {});
  for (unsigned w = 0; w < block.warp_count; w++) {
    if (barrier.waiting[w]) wake(block.warps[w], std::exchange(barrier.waiting[w], 0));
  }
}

bool Hopper::land_copies() {
  const auto is_awaited = [&](const BoxCopy& copy) {
    const auto& waiting = barriers.at(copy.barrier).waiting;
    return std::any_of(waiting.begin(), waiting.end(), [](unsigned lanes) { return lanes != 0; });
  };
  // One barrier's at a time: as late as it can be.
  const auto first = std::find_if(copies.begin(), copies.end(), is_awaited);
  if (first == copies.end()) return false;
  uint64_t* awaited = first->barrier;
  PhaseBarrier& barrier = barriers.at(awaited);
  for (auto copy = copies.begin(); copy != copies.end();) {
    if (copy->barrier != awaited) {
      copy++;
      continue;
    }
    std::memcpy(copy->to, copy->bytes.data(), copy->bytes.size());
    barrier.bytes -= int64_t(copy->bytes.size());
    copy = copies.erase(copy);
  }
  complete_if_done(barrier);
  return block.ready_warps != 0 || land_copies();
}

std::string Hopper::describe_waits() const {
  std::string text;
  for (const auto& [address, barrier] : barriers) {
    for (unsigned w = 0; w < block.warp_count; w++) {
      if (!barrier.waiting[w]) continue;
      text += "; the barrier that thread " + std::to_string(w * warp_lanes + std::countr_zero(barrier.waiting[w])) +
              " waits for is in phase " + std::to_string(barrier.phase) + " and lacks " +
              std::to_string(barrier.missing) + " arrivals and " + std::to_string(barrier.bytes) + " bytes";
      break;
    }
  }
  return text;
}

const BoxCopy* Hopper::copy_to(const unsigned char* begin, size_t bytes) const {
  for (const BoxCopy& copy : copies) {
    if (copy.meets(begin, begin + bytes)) return &copy;
  }
  return nullptr;
}

void Hopper::check_read(const unsigned char* begin, size_t bytes, const Site& site) const {
  if (const BoxCopy* copy = copy_to(begin, bytes)) {
    fail_with(site, "reads a box of " + name_of(copy->place) + " before a wait for its barrier");
  }
}

void Hopper::check_overwrite(const unsigned char* begin, size_t bytes, const Site& site) const {
  if (const BoxCopy* copy = copy_to(begin, bytes)) {
    fail_with(site, "writes where a box of " + name_of(copy->place) + " has not arrived yet");
  }
  if (const Product* product = product_of(begin, bytes)) {
    fail_with(site, "overwrites what " + name_of(product->place) + " may still read: it was not waited for");
  }
}

void Hopper::note_write(const Thread& thread, const unsigned char* begin, size_t bytes, const void* instruction) {
  if (begin < block.shared || begin >= block.shared + block.shared_bytes) return;
  writes_.resize(most_shared_bytes / write_bytes);
  used = true;
  const size_t offset = size_t(begin - block.shared);
  for (size_t i = offset / write_bytes; i <= (offset + bytes - 1) / write_bytes && i < writes_.size(); i++) {
    writes_[i] = {fences_[thread.index], uint16_t(thread.index), instruction};
  }
}

void Hopper::forget_writes(const unsigned char* begin, size_t bytes) {
  if (writes_.empty()) return;
  const size_t first = size_t(begin - block.shared) / write_bytes;
  std::fill_n(writes_.begin() + ptrdiff_t(first), bytes / write_bytes, Write{});
}

const void* Hopper::unfenced_write(const unsigned char* begin, size_t bytes) const {
  if (writes_.empty()) return nullptr;
  const size_t offset = size_t(begin - block.shared);
  for (size_t i = offset / write_bytes; i <= (offset + bytes - 1) / write_bytes && i < writes_.size(); i++) {
    if (writes_[i].instruction && writes_[i].fences == fences_[writes_[i].thread]) return writes_[i].instruction;
  }
  return nullptr;
}

void init_barrier(uint64_t& barrier, int arrivals, const Site& site) {
  if (!is_shared(&barrier, sizeof barrier)) fail(site, "expected a barrier in the block's shared memory");
  if (arrivals < 1 || arrivals >= 1 << 20) fail(site, "expected 1 to 1048575 arrivals");
  accessed(&barrier, sizeof barrier, true, __builtin_return_address(0));
  hopper().used = true;
  PhaseBarrier fresh;
  fresh.arrivals = fresh.missing = arrivals;
  hopper().barriers.insert_or_assign(&barrier, std::move(fresh));
  barrier = 0;
}

void publish_barriers() {
  for (auto& [address, barrier] : hopper().barriers) barrier.published = true;
  fence_async_proxy();
}

void arrive(uint64_t& address, int64_t bytes, const Site& site) {
  PhaseBarrier& barrier = hopper().barrier_of(address, site);
  if (barrier.missing == 0) {
    fail_with(site, "arrives once more than the " + std::to_string(barrier.arrivals) + " times that a phase awaits");
  }
  release(barrier.current);
  barrier.bytes += bytes;
  barrier.missing--;
  hopper().complete_if_done(barrier);
}

void wait_for_phase(uint64_t& address, uint32_t parity, const Site& site) {
  PhaseBarrier& barrier = hopper().barrier_of(address, site);
  if (parity > 1) fail(site, "expected a parity of 0 or 1");
  Thread& self = current();
  if ((barrier.phase & 1) == parity) {
    barrier.waiting[self.warp->index] |= 1u << self.lane;
    suspend(self, site);
  }
  if (block.checked) grid().races[0].acquire(barrier.completed, self.index);
}

void fence_async_proxy() { hopper().fence(current()); }

void copy_box(void* shared, const TensorMap& tensor_map, uint64_t& address, const BoxStart& start, const Site& site) {
  const void* instruction = __builtin_return_address(0);
  Map map;
  std::memcpy(&map, &tensor_map, sizeof map);
  if (map.mark != map_mark) fail(site, "expected a map of make_tensor_map");
  PhaseBarrier& barrier = hopper().barrier_of(address, site);
  if (!barrier.published) fail(site, "the barrier was prepared, but not told to the copy engine by publish_barriers");
  size_t bytes = sizeof(uint16_t);
  for (const uint32_t n : map.box) bytes *= n;
  auto* to = static_cast<unsigned char*>(shared);
  if (!is_shared(to, bytes)) fail_with(site, "expected " + std::to_string(bytes) + " bytes of the block's shared memory");
  const auto offset = uint32_t(to - block.shared);
  if (offset % 1024) fail(site, "expected shared memory at a multiple of 1024 bytes");
  hopper().check_overwrite(to, bytes, site);
  accessed_in_background(to, bytes, true, instruction);
  hopper().forget_writes(to, bytes);

  BoxCopy copy{to, std::vector<unsigned char>(bytes), &address, site};
  uint32_t at[tensor_map_rank] = {};
  for (uint32_t row = 0; row < bytes / row_bytes; row++) {
    const unsigned char* from = map.data;
    bool is_inside = true;
    for (int i = 1; i < tensor_map_rank; i++) {
      const int64_t element = int64_t(start.element[i]) + at[i];
      is_inside &= element >= 0 && element < map.size[i];
      from += element * int64_t(map.stride_bytes[i]);
    }
    const int64_t begin = std::max(0, -start.element[0]);
    const int64_t end = std::min<int64_t>(map.box[0], int64_t(map.size[0]) - start.element[0]);
    if (is_inside && begin < end) {
      const unsigned char* source = from + (start.element[0] + begin) * int64_t(sizeof(uint16_t));
      const size_t count = size_t(end - begin) * sizeof(uint16_t);
      accessed_in_background(source, count, false, instruction);
      unsigned char line[row_bytes] = {};
      std::memcpy(line + size_t(begin) * sizeof(uint16_t), source, count);
      for (uint32_t chunk = 0; chunk < row_bytes; chunk += 16) {
        std::memcpy(&copy.bytes[swizzle(row * row_bytes + chunk, row_bytes)], line + chunk, 16);
      }
    }
    for (int i = 1; i < tensor_map_rank && ++at[i] == map.box[i]; i++) at[i] = 0;
  }
  std::memset(to, 0xff, bytes);
  hopper().copies.push_back(std::move(copy));
  release(barrier.current);  // who waits for the phase sees the box
}

}  // namespace attention::emulator

namespace attention {

TensorMap make_tensor_map(const TensorView& view) {
  using emulator::Map;
  const auto refuse = [](const std::string& what) {
    throw DeviceError("ERR_DEVICE", "cuTensorMapEncodeTiled: " + what);
  };
  const auto require = [&](bool holds, const char* name, int i, int64_t received, const char* expected) {
    if (holds) return;
    refuse(std::string(name) + " " + std::to_string(i) + ": expected " + expected + ", received " + std::to_string(received));
  };
  Map map{};
  map.mark = emulator::map_mark;
  map.data = static_cast<const unsigned char*>(view.data);
  if (reinterpret_cast<uintptr_t>(view.data) % 16) refuse("data: expected an address that is a multiple of 16");
  if (view.type != ElementType::float16 && view.type != ElementType::bfloat16) refuse("type: expected one of 2 bytes");
  for (int i = 0; i < tensor_map_rank; i++) {
    require(view.size[i] >= 1 && view.size[i] <= UINT32_MAX, "size", i, view.size[i], "1 to 2^32 - 1");
    require(view.box[i] >= 1 && view.box[i] <= 256, "box", i, view.box[i], "1 to 256");
    map.size[i] = uint32_t(view.size[i]);
    map.box[i] = uint32_t(view.box[i]);
    if (i == 0) continue;
    require(view.stride_bytes[i] >= 0 && view.stride_bytes[i] % 16 == 0 && view.stride_bytes[i] < int64_t(1) << 40,
            "stride", i, view.stride_bytes[i], "a multiple of 16 below 2^40");
    map.stride_bytes[i] = uint64_t(view.stride_bytes[i]);
  }
  require(view.box[0] * 2 == int(emulator::row_bytes), "box", 0, view.box[0], "64 elements, 128 bytes");
  TensorMap result{};
  std::memcpy(&result, &map, sizeof map);
  return result;
}

}  // namespace attention
