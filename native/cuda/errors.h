#pragma once

#include <napi.h>

#include <new>
#include <string>

#include "error.h"

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

}  // namespace attention::cuda
