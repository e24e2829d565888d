#pragma once
// Checked conversions of JavaScript values, whatever they are.

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "addon_error.h"

namespace attention {

[[noreturn]] inline void fail(const char* code, const std::string& name, const std::string& expected) {
  throw AddonError(code, name + ": expected " + expected);
}

/// An integer from 0 to `most`.
inline uint64_t natural(const Napi::Value& value, const char* name, uint64_t most = uint64_t(1) << 53) {
  if (!value.IsNumber()) fail("ERR_DTYPE", name, "a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= double(most)) || std::trunc(number) != number) {
    fail("ERR_RANGE", name, "an integer from 0 to " + std::to_string(most));
  }
  return uint64_t(number);
}

/// A number of bytes. Larger numbers become 2^63, so that the device reports them as out of memory.
inline size_t byte_length(const Napi::Value& value, const char* name) {
  constexpr uint64_t most = uint64_t(1) << 63;
  if (value.IsNumber() && value.As<Napi::Number>().DoubleValue() > double(most)) return most;
  return natural(value, name, most);
}

inline bool boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) fail("ERR_DTYPE", name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

inline std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) fail("ERR_DTYPE", name, "a string");
  return value.As<Napi::String>();
}

inline Napi::Function function(const Napi::Value& value, const char* name) {
  if (!value.IsFunction()) fail("ERR_DTYPE", name, "a function");
  return value.As<Napi::Function>();
}

inline Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) fail("ERR_DTYPE", name, "an object");
  return value.As<Napi::Object>();
}

/// The array and its length, at most `most`. What a getter of it does may change what was read of other arguments before:
/// take addresses after it.
inline Napi::Array array(const Napi::Value& value, const char* name, uint32_t most) {
  if (!value.IsArray()) fail("ERR_DTYPE", name, "an array");
  auto result = value.As<Napi::Array>();
  if (result.Length() > most) fail("ERR_RANGE", name, "at most " + std::to_string(most) + " elements");
  return result;
}

/// Bytes of a Uint8Array, valid until JavaScript runs again.
struct Bytes {
  uint8_t* data;
  size_t size;
};

inline Bytes bytes(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    fail("ERR_DTYPE", name, "a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

}  // namespace attention
