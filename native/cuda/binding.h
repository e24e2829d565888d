#pragma once
// How an op reaches JavaScript: one file an op, which unpacks the arguments of a call and calls the launcher.

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention::cuda {

/// The arguments of a call from JavaScript, in order. A tensor takes two of them: its address and its element type.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info);

  /// A tensor, or none.
  Operand tensor();
  int64_t integer();
  /// An integer of 32 bits.
  int integer32();
  float number();
  bool flag();
  /// The numbers of a Float64Array.
  std::vector<int64_t> integers();
  /// Bytes of a typed array, valid during the call.
  struct Bytes {
    const uint8_t* data;
    size_t size;
  };
  Bytes bytes();
  std::string text();
  /// Throws unless all were taken.
  void end() const;

 private:
  napi_value next();
  double take_number();

  static constexpr size_t most = 48;
  napi_env env_;
  napi_value values_[most];
  size_t count_ = most;
  size_t taken_ = 0;
};

/// Unpacks arguments and calls a launcher.
using BindingFunction = void (*)(const LaunchContext& context, Arguments& arguments);

/// A binding registers itself: `const Binding binding("rmsNorm", [](const LaunchContext& context, Arguments& a) {…});`.
struct Binding {
  Binding(const char* name, BindingFunction function);

  const char* name;
  BindingFunction function;
};

/// Those of all files that are linked in.
const std::vector<const Binding*>& bindings();

}  // namespace attention::cuda
