// The device's memory. New memory holds NaN, what is freed is watched for writes past its end, and with
// ATTENTION_CUDA_CHECKED=1 each allocation ends at a page without access, so that an overrun faults in the kernel.

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <cuda_runtime_api.h>

#include "grid.h"
#include "device/runtime.h"

struct CUmemPoolHandle_st {
  int device;
  size_t used = 0, used_high = 0, reserved = 0, reserved_high = 0;
  uint64_t threshold = 0;
};

namespace attention::emulator {
namespace {

constexpr size_t alignment = 256;
constexpr size_t canary_bytes = 64;
constexpr unsigned char canary = 0xa5;
constexpr size_t most_poisoned = size_t(64) << 20;  // larger allocations stay untouched: tests make huge caches

struct Free {
  void operator()(unsigned char* memory) const { std::free(memory); }
};

/// What holds the memory of an allocation: one of these.
struct Holder {
  GuardedMemory guarded;
  Pages pages;
  std::unique_ptr<unsigned char, Free> plain;
};

struct Allocation {
  size_t bytes;
  size_t watched;  // bytes behind the end that hold the canary
  bool checked;
  cudaMemPool_t pool;
  int device;
  Holder holder;
};
constexpr int no_device = -1;  // of pinned memory

std::mutex mutex;
std::map<const unsigned char*, Allocation> allocations;
size_t used[device_count];
CUmemPoolHandle_st default_pools[device_count] = {{0}, {1}};

bool is_checked() {
  const char* text = std::getenv("ATTENTION_CUDA_CHECKED");
  return text && std::strcmp(text, "1") == 0;
}

cudaError_t allocate(void** memory, size_t bytes, int device, cudaMemPool_t pool = nullptr) {
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  const std::lock_guard<std::mutex> lock(mutex);
  if (device != no_device && (bytes > memory_limit() || used[device] + bytes > memory_limit())) {
    return cudaErrorMemoryAllocation;
  }
  const bool checked = device != no_device && is_checked();
  Allocation allocation{bytes, canary_bytes, checked, pool, device, {}};
  unsigned char* begin;
  try {
    if (checked) {
      allocation.holder.guarded = GuardedMemory(bytes);
      allocation.watched = round_up(bytes, 16) - bytes;
      begin = allocation.holder.guarded.begin();
    } else if (bytes >= 1 << 20) {
      allocation.holder.pages = Pages(bytes + canary_bytes);
      begin = allocation.holder.pages.begin();
    } else {
      begin = static_cast<unsigned char*>(std::aligned_alloc(alignment, round_up(bytes + canary_bytes, alignment)));
      if (!begin) return cudaErrorMemoryAllocation;
      allocation.holder.plain.reset(begin);
    }
  } catch (const std::bad_alloc&) {
    return cudaErrorMemoryAllocation;
  }
  if (bytes <= most_poisoned) std::memset(begin, 0xff, bytes);
  std::memset(begin + bytes, canary, allocation.watched);
  allocations.emplace(begin, std::move(allocation));
  if (device != no_device) used[device] += bytes;
  if (pool) {
    pool->used += bytes;
    pool->used_high = std::max(pool->used_high, pool->used);
    pool->reserved = std::max(pool->reserved, pool->used);
    pool->reserved_high = std::max(pool->reserved_high, pool->reserved);
  }
  *memory = begin;
  return cudaSuccess;
}

cudaError_t release(void* memory, bool pinned) {
  if (!memory) return cudaSuccess;
  const std::lock_guard<std::mutex> lock(mutex);
  auto* begin = static_cast<unsigned char*>(memory);
  const auto found = allocations.find(begin);
  if (found == allocations.end() || (found->second.device == no_device) != pinned) return cudaErrorInvalidValue;
  const Allocation allocation = std::move(found->second);
  for (size_t i = 0; i < allocation.watched; i++) {
    if (begin[allocation.bytes + i] == canary) continue;
    std::fprintf(stderr, "emulator: something wrote %zu bytes past the end of %zu bytes of device memory\n", i,
                 allocation.bytes);
    std::abort();
  }
  allocations.erase(found);
  if (!pinned) used[allocation.device] -= allocation.bytes;
  if (allocation.pool) allocation.pool->used -= allocation.bytes;
  return cudaSuccess;
}

/// The allocation that has the address, or the last before it; null: none.
const std::pair<const unsigned char* const, Allocation>* before(const void* address) {
  const auto next = allocations.upper_bound(static_cast<const unsigned char*>(address));
  return next == allocations.begin() ? nullptr : &*std::prev(next);
}

const Allocation* holding(const void* address, size_t bytes) {
  const auto* allocation = before(address);
  if (!allocation) return nullptr;
  const unsigned char* end = allocation->first + allocation->second.bytes;
  return static_cast<const unsigned char*>(address) + bytes <= end ? &allocation->second : nullptr;
}

}  // namespace

size_t memory_limit() {
  const char* text = std::getenv("ATTENTION_CUDA_EMULATOR_MEMORY");
  return text && *text ? std::strtoull(text, nullptr, 10) : size_t(8) << 30;
}

bool is_allocated(const void* address, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  return holding(address, bytes) != nullptr;
}

bool is_reachable(const void* address, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  const Allocation* allocation = holding(address, bytes);
  return allocation && (allocation->device == no_device || allocation->device == current_device());
}

std::string describe_device_address(const void* address) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto* at = static_cast<const unsigned char*>(address);
  ptrdiff_t nearest = 1 << 20;
  std::string text = "to no device memory";
  if (const auto* allocation = before(address)) {
    const unsigned char* end = allocation->first + allocation->second.bytes;
    const std::string size = std::to_string(allocation->second.bytes) + " bytes of device memory";
    if (at < end) return "to " + size;
    if (at - end < nearest) {
      nearest = at - end;
      text = std::to_string(nearest) + " bytes past the end of " + size;
    }
  }
  const auto next = allocations.upper_bound(at);
  if (next != allocations.end() && next->first - at < nearest) {
    text = std::to_string(next->first - at) + " bytes before the start of " + std::to_string(next->second.bytes) +
           " bytes of device memory";
  }
  return text;
}

bool is_checked_page(const void* page) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto* last = static_cast<const unsigned char*>(page) + page_bytes - 1;
  const auto* allocation = before(last);
  return allocation && allocation->second.checked && allocation->first + allocation->second.bytes > page;
}

void fill(void* memory, int value, size_t bytes) {
  // Pages of zeros cost nothing.
  auto* begin = static_cast<unsigned char*>(memory);
  if (value == 0 && bytes > most_poisoned) {
    auto* first = reinterpret_cast<unsigned char*>(round_up(reinterpret_cast<uintptr_t>(begin), page_bytes));
    const size_t whole = size_t(begin + bytes - first) / page_bytes * page_bytes;
    if (madvise(first, whole, MADV_DONTNEED) == 0) {
      std::memset(begin, 0, size_t(first - begin));
      std::memset(first + whole, 0, size_t(begin + bytes - (first + whole)));
      return;
    }
  }
  std::memset(memory, value, bytes);
}

}  // namespace attention::emulator

using namespace attention::emulator;

cudaError_t cudaMalloc(void** memory, size_t bytes) { return report(allocate(memory, bytes, current_device())); }
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t stream) {
  return cudaMallocFromPoolAsync(memory, bytes, &default_pools[device_of(stream)], stream);
}
cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool, cudaStream_t) {
  return report(pool ? allocate(memory, bytes, pool->device, pool) : cudaErrorInvalidValue);
}
cudaError_t cudaFree(void* memory) { return report(release(memory, false)); }
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) { return report(release(memory, false)); }
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return report(allocate(memory, bytes, no_device));
}
cudaError_t cudaMallocHost(void** memory, size_t bytes, unsigned) {
  return report(allocate(memory, bytes, no_device));
}
cudaError_t cudaFreeHost(void* memory) { return report(release(memory, true)); }
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  *device = host;
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void*, size_t, unsigned) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  const size_t taken = used[current_device()];
  *total_bytes = memory_limit();
  *free_bytes = taken < *total_bytes ? *total_bytes - taken : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  if (!is_device(device)) return report(cudaErrorInvalidDevice);
  *pool = &default_pools[device];
  return cudaSuccess;
}
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  if (!is_device(properties->location.id)) return report(cudaErrorInvalidDevice);
  *pool = new CUmemPoolHandle_st{properties->location.id};
  return cudaSuccess;
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (auto& [begin, allocation] : allocations) {
    if (allocation.pool == pool) allocation.pool = nullptr;
  }
  delete pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  const std::lock_guard<std::mutex> lock(mutex);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold: pool->threshold = *static_cast<uint64_t*>(value); break;
    case cudaMemPoolAttrUsedMemHigh: pool->used_high = pool->used; break;
    case cudaMemPoolAttrReservedMemHigh: pool->reserved_high = pool->reserved; break;
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies: break;
    default: return report(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  const std::lock_guard<std::mutex> lock(mutex);
  uint64_t& result = *static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold: result = pool->threshold; break;
    case cudaMemPoolAttrUsedMemCurrent: result = pool->used; break;
    case cudaMemPoolAttrUsedMemHigh: result = pool->used_high; break;
    case cudaMemPoolAttrReservedMemCurrent: result = pool->reserved; break;
    case cudaMemPoolAttrReservedMemHigh: result = pool->reserved_high; break;
    default: return report(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes_to_keep) {
  const std::lock_guard<std::mutex> lock(mutex);
  pool->reserved = std::max(pool->used, std::min(pool->reserved, bytes_to_keep));
  return cudaSuccess;
}
