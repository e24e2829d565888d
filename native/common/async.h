#pragma once
// Work that does not block JavaScript.

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "errors.h"

namespace attention {

/// Runs `work` on a thread of Node's pool, then `finish` on JavaScript's, and settles a promise with what that returns, or
/// with what either throws.
class AsyncCall : public Napi::AsyncWorker {
 public:
  static Napi::Promise start(Napi::Env env, std::shared_ptr<const Errors> errors, const char* operation,
                             std::function<void()> work, std::function<Napi::Value(Napi::Env)> finish) {
    auto call = std::unique_ptr<AsyncCall>(
        new AsyncCall(env, std::move(errors), operation, std::move(work), std::move(finish)));
    const Napi::Promise promise = call->deferred_.Promise();
    call->Queue();
    call.release();  // deletes itself
    return promise;
  }

 protected:
  void Execute() override {
    try {
      work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void OnOK() override {
    try {
      deferred_.Resolve(errors_->guard(Env(), operation_, [&] {
        if (failure_) std::rethrow_exception(failure_);
        return finish_(Env());
      }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

 private:
  AsyncCall(Napi::Env env, std::shared_ptr<const Errors> errors, const char* operation, std::function<void()> work,
            std::function<Napi::Value(Napi::Env)> finish)
      : Napi::AsyncWorker(env),
        errors_(std::move(errors)),
        operation_(operation),
        work_(std::move(work)),
        finish_(std::move(finish)),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  std::shared_ptr<const Errors> errors_;
  const char* operation_;
  std::function<void()> work_;
  std::function<Napi::Value(Napi::Env)> finish_;
  std::exception_ptr failure_;
  Napi::Promise::Deferred deferred_;
};

}  // namespace attention
