#include "binding.h"

#include <algorithm>
#include <cmath>

namespace attention::cuda {
namespace {

std::vector<const Binding*>& registry() {
  static std::vector<const Binding*> all;  // filled while the library is loaded, read-only from then on
  return all;
}

[[noreturn]] void fail(size_t argument, const char* expected) {
  throw DeviceError("ERR_DTYPE", "argument " + std::to_string(argument) + ": expected " + expected);
}

/// Whether the number stands for that integer alone.
bool is_integer(double value) { return std::abs(value) <= 0x1p53 && std::trunc(value) == value; }

}  // namespace

Binding::Binding(const char* own_name, BindingFunction own_function) : name(own_name), function(own_function) {
  registry().push_back(this);
}

const std::vector<const Binding*>& bindings() { return registry(); }

Arguments::Arguments(const Napi::CallbackInfo& info) : env_(info.Env()) {
  count_ = info.Length();
  if (count_ > most) fail(most, "the last one");
  for (size_t i = 0; i < count_; i++) values_[i] = info[i];
}

napi_value Arguments::next() {
  if (taken_ == count_) fail(taken_, "a value, received none");
  return values_[taken_++];
}

double Arguments::take_number() {
  double value;
  if (napi_get_value_double(env_, next(), &value) != napi_ok) fail(taken_ - 1, "a number");
  return value;
}

Operand Arguments::tensor() {
  const int64_t address = integer();
  const int64_t type = integer();
  if (address < 0 || type < 0 || type > int64_t(ElementType::bool8)) fail(taken_ - 1, "an address and an element type");
  return {reinterpret_cast<void*>(address), ElementType(type)};
}

int64_t Arguments::integer() {
  const double value = take_number();
  if (!is_integer(value)) fail(taken_ - 1, "an integer");
  return int64_t(value);
}

int Arguments::integer32() {
  const int64_t value = integer();
  if (value < INT32_MIN || value > INT32_MAX) fail(taken_ - 1, "an int32");
  return int(value);
}

float Arguments::number() { return float(take_number()); }

bool Arguments::flag() {
  bool value;
  if (napi_get_value_bool(env_, next(), &value) != napi_ok) fail(taken_ - 1, "a boolean");
  return value;
}

std::vector<int64_t> Arguments::integers() {
  napi_typedarray_type type;
  size_t length;
  void* data;
  const napi_status status = napi_get_typedarray_info(env_, next(), &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_float64_array) fail(taken_ - 1, "a Float64Array");
  const auto* numbers = static_cast<const double*>(data);
  if (!std::all_of(numbers, numbers + length, is_integer)) fail(taken_ - 1, "integers");
  return std::vector<int64_t>(numbers, numbers + length);
}

Arguments::Bytes Arguments::bytes() {
  const Napi::Value value(env_, next());
  if (!value.IsTypedArray()) fail(taken_ - 1, "a typed array");
  auto array = value.As<Napi::TypedArray>();
  return {static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

std::string Arguments::text() {
  const Napi::Value value(env_, next());
  if (!value.IsString()) fail(taken_ - 1, "a string");
  return value.As<Napi::String>().Utf8Value();
}

void Arguments::end() const {
  if (taken_ != count_) fail(taken_, "no further one");
}

}  // namespace attention::cuda
