#pragma once
// C++ memory that JavaScript sees as an ArrayBuffer.

#include <napi.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "addon_error.h"

namespace attention {

/// Keeps memory alive for ArrayBuffers. If Node refuses to make an ArrayBuffer, it calls the finalizer at once, later or never,
/// depending on its version and the reason. So a finalizer gets a ticket, and dropping a ticket twice does no harm.
class MemoryKeeper {
 public:
  /// An ArrayBuffer over `bytes` bytes at `data`, which `owner` keeps.
  static Napi::ArrayBuffer expose(Napi::Env env, void* data, size_t bytes, std::shared_ptr<void> owner) {
    const size_t ticket = keep(std::move(owner));
    napi_value buffer = nullptr;
    const napi_status status = napi_create_external_arraybuffer(
        env, data, bytes, [](napi_env, void*, void* hint) { drop(reinterpret_cast<size_t>(hint)); },
        reinterpret_cast<void*>(ticket), &buffer);
    if (status == napi_ok) return Napi::ArrayBuffer(env, buffer);
    drop(ticket);
    bool is_pending = false;
    napi_value ignored = nullptr;
    if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending) {
      napi_get_and_clear_last_exception(env, &ignored);
    }
    throw AddonError("ERR_UNSUPPORTED", "this version of Node gives no access to memory of " + std::to_string(bytes) +
                                            " bytes as one ArrayBuffer");
  }

 private:
  struct Owners {
    std::mutex mutex;
    std::unordered_map<size_t, std::shared_ptr<void>> by_ticket;
    size_t last_ticket = 0;
  };

  /// Never destroyed: finalizers of other threads may come while the process exits.
  static Owners& owners() {
    static auto& owners = *new Owners;
    return owners;
  }

  static size_t keep(std::shared_ptr<void> owner) {
    const std::lock_guard lock(owners().mutex);
    owners().by_ticket.emplace(++owners().last_ticket, std::move(owner));
    return owners().last_ticket;
  }

  static void drop(size_t ticket) {
    std::shared_ptr<void> owner;  // freed after the lock
    const std::lock_guard lock(owners().mutex);
    const auto found = owners().by_ticket.find(ticket);
    if (found == owners().by_ticket.end()) return;
    owner = std::move(found->second);
    owners().by_ticket.erase(found);
  }
};

}  // namespace attention
