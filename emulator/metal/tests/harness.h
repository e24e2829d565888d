#pragma once

// A few lines of test framework for emulator_test.

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "../emulated_device.h"

namespace attention::metal::tests {

struct Context {
  std::string shaders;  // folder
  Device& checked;
  Device& unchecked;
};

struct Test {
  std::string name;
  std::function<void(Context&)> run;
};

std::vector<Test>& all();

struct Register {
  Register(const char* name, std::function<void(Context&)> run) { all().push_back({name, std::move(run)}); }
};

struct Failure {
  std::string message;
};

inline void expect(bool holds, const std::string& message) {
  if (!holds) throw Failure{message};
}

std::string read(const std::string& path);

/// A buffer with these values.
template <class T>
std::shared_ptr<Buffer> buffer_of(Device& device, const std::vector<T>& values) {
  auto buffer = device.make_buffer(values.size() * sizeof(T));
  std::copy(values.begin(), values.end(), static_cast<T*>(buffer->contents()));
  return buffer;
}

template <class T>
std::vector<T> values_of(Buffer& buffer) {
  const T* values = static_cast<const T*>(buffer.contents());
  return {values, values + buffer.length() / sizeof(T)};
}

template <class T>
std::vector<std::byte> bytes_of(const T& value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  return {bytes, bytes + sizeof value};
}

/// Runs one kernel of a shader file in the folder; returns the error's message, empty if there is none.
std::string run(Context& context, Device& device, const std::string& shader, const std::string& function, Dispatch dispatch,
                const FunctionConstants& constants = {});

#define METAL_TEST(name)                                                      \
  static void name(Context&);                                                 \
  static const Register register_##name(#name, name);                         \
  static void name([[maybe_unused]] Context& context)

}  // namespace attention::metal::tests
