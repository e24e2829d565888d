#pragma once
// Converts C++ exceptions to JavaScript errors.

#include <napi.h>

#include <new>
#include <string>

#include "addon_error.h"

namespace attention {

/// Makes JavaScript errors by calling a JavaScript function: (code, message) -> AttentionError.
class Errors {
 public:
  /// Without a function, or with one that fails, errors are plain ones with the name and the code of an AttentionError.
  Errors() = default;
  explicit Errors(Napi::Function make) : make_(Napi::Persistent(make)) {}

  /// `operation` leads the message: `[rmsNorm] …`.
  Napi::Error make(Napi::Env env, const char* code, const std::string& operation, const std::string& message) const {
    const std::string text = "[" + operation + "] " + message;
    if (!make_.IsEmpty()) {
      try {
        const Napi::Value error = make_.Value().Call({Napi::String::New(env, code), Napi::String::New(env, text)});
        if (error.IsObject()) return Napi::Error(env, error);
      } catch (const Napi::Error&) {
        // What the function throws would hide what went wrong.
      }
    }
    Napi::Error error = Napi::Error::New(env, text);
    error.Set("name", "AttentionError");
    error.Set("code", code);
    return error;
  }

  /// Runs `body`; converts the C++ exceptions it throws. JavaScript errors pass unchanged.
  template <typename Body>
  auto guard(Napi::Env env, const char* operation, Body body) const {
    try {
      return body();
    } catch (const Napi::Error&) {
      throw;
    } catch (const AddonError& error) {
      throw make(env, error.code(), operation, error.what());
    } catch (const std::bad_alloc&) {
      throw make(env, "ERR_OUT_OF_MEMORY", operation, "the machine has no memory left");
    } catch (const std::length_error&) {
      throw make(env, "ERR_OUT_OF_MEMORY", operation, "the machine has no memory left");
    } catch (const std::exception& error) {
      throw make(env, "ERR_DEVICE", operation, error.what());
    } catch (...) {
      throw make(env, "ERR_DEVICE", operation, "an unknown exception");
    }
  }

 private:
  Napi::FunctionReference make_;
};

}  // namespace attention
