#pragma once
// Counts what holds, and catches what a launch throws.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/launch.h"

#ifdef ATTENTION_CUDA_CHECKED
constexpr bool is_checked_build = true;
#else
constexpr bool is_checked_build = false;
#endif

inline int passed = 0;
inline int failed = 0;

inline void expect(bool holds, const std::string& what) {
  holds ? passed++ : failed++;
  if (!holds) std::printf("FAIL %s\n", what.c_str());
}

inline attention::LaunchContext test_context() {
  attention::LaunchContext context;
  context.device = {0, 90, 8, 227 * 1024, 50 << 20};
  return context;
}

/// The message of what `body` throws; empty: nothing.
template <typename Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const attention::DeviceError& error) {
    return error.what();
  }
  return "";
}

template <typename Body>
void expect_error(const std::string& part, Body&& body) {
  const std::string error = error_of(body);
  expect(error.find(part) != std::string::npos, "expected '" + part + "', received '" + error + "'");
}

/// Device memory while it lives.
template <typename T>
struct Memory {
  explicit Memory(size_t count) { cudaMalloc(&data, count * sizeof(T)); }
  ~Memory() { cudaFree(data); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  T& operator[](size_t i) const { return data[i]; }
  T* data = nullptr;
};

void test_results();
void test_defects();
void test_hopper();
void test_races();
void test_runtime();
void test_attention_decode_work();
