#pragma once
// What is thrown here, as errors of JavaScript's.

#include <napi.h>

#include <new>
#include <string>

#include "context.h"
#include "common/error.h"

namespace attention::cuda {

/// Makes JavaScript's errors: (code, message) -> AttentionError.
class Errors {
 public:
  explicit Errors(Napi::Function make) : make_(Napi::Persistent(make)) {}

  /// `operation` leads the message: `[rmsNorm] …`.
  Napi::Error make(Napi::Env env, const char* code, const std::string& operation, const std::string& message) const {
    const Napi::Value error =
        make_.Value().Call({Napi::String::New(env, code), Napi::String::New(env, "[" + operation + "] " + message)});
    return Napi::Error(env, error);
  }

  /// Runs `body`; what it throws becomes an error of JavaScript's.
  template <typename Body>
  auto guard(Napi::Env env, const char* operation, Body body) const {
    try {
      return body();
    } catch (const DeviceError& error) {
      throw make(env, error.code(), operation, error.what());
    } catch (const std::bad_alloc&) {
      throw make(env, "ERR_OUT_OF_MEMORY", operation, "the machine has no memory left");
    } catch (const Napi::Error&) {
      throw;
    } catch (const std::exception& error) {
      throw make(env, "ERR_DEVICE", operation, error.what());
    }
  }

 private:
  Napi::FunctionReference make_;
};

/// Runs `body`; what it throws becomes an error of JavaScript's that names `operation`, and what the device failed at.
template <typename Body>
auto guarded(const Errors& errors, const Context& context, Napi::Env env, const char* operation, Body body) {
  return errors.guard(env, operation, [&] {
    try {
      return body();
    } catch (const DeviceError& error) {
      throw context.explain(error);
    }
  });
}

[[noreturn]] inline void fail(const char* code, const char* name, const char* expected) {
  throw DeviceError(code, std::string(name) + ": expected " + expected);
}

}  // namespace attention::cuda
