#pragma once
// A copy to JavaScript that does not block it.

#include <napi.h>

#include <cstring>
#include <memory>
#include <utility>

#include "context.h"
#include "errors.h"

namespace attention::cuda {

/// Waits for a copy to pinned memory on a thread of Node's pool, and resolves to its bytes.
class Download : public Napi::AsyncWorker {
 public:
  Download(Napi::Env env, std::shared_ptr<Context> context, std::shared_ptr<Errors> errors,
           std::unique_ptr<PinnedBuffer> buffer, size_t bytes)
      : Napi::AsyncWorker(env),
        context_(std::move(context)),
        errors_(std::move(errors)),
        buffer_(std::move(buffer)),
        bytes_(bytes),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    status_ = cudaSetDevice(context_->launch_context().device.ordinal);
    if (status_ == cudaSuccess) status_ = buffer_->wait();
  }

  void OnOK() override {
    settle([&] {
      guarded(*errors_, *context_, Env(), "read", [&] {
        check(status_, "the device");
        Napi::ArrayBuffer bytes = Napi::ArrayBuffer::New(Env(), bytes_);
        std::memcpy(bytes.Data(), buffer_->data(), bytes_);
        context_->finish_download(std::move(buffer_));
        deferred_.Resolve(bytes);
      });
    });
  }

  void OnError(const Napi::Error& error) override {
    settle([&] { throw errors_->make(Env(), "ERR_DEVICE", "read", error.Message()); });
  }

 private:
  /// Runs `body`, and rejects with what it throws.
  template <typename Body>
  void settle(Body body) {
    try {
      body();
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }

  std::shared_ptr<Context> context_;
  std::shared_ptr<Errors> errors_;
  std::unique_ptr<PinnedBuffer> buffer_;
  size_t bytes_;
  cudaError_t status_ = cudaSuccess;
  Napi::Promise::Deferred deferred_;
};

}  // namespace attention::cuda
