#pragma once
#include <metal_stdlib>

using namespace metal;

/// Elements that are read or written in one aligned access of up to 16 bytes.
template <typename T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  T elements[N];
};

/// Converts to another storage type, rounding to nearest even.
template <typename To, typename From>
inline To to_storage(From value) {
  return To(float(value));
}

template <>
inline int to_storage<int, int>(int value) {
  return value;
}

/// Loads N elements; `from` is a multiple of N elements from the start of a buffer.
template <int N, typename To, typename From>
inline void load_pack(thread To* to, device const From* from) {
  const Pack<From, N> pack = *reinterpret_cast<device const Pack<From, N>*>(from);
  for (int i = 0; i < N; i++) to[i] = to_storage<To>(pack.elements[i]);
}

/// Stores N elements; `to` is a multiple of N elements from the start of a buffer.
template <int N, typename To, typename From>
inline void store_pack(device To* to, thread const From* from) {
  Pack<To, N> pack;
  for (int i = 0; i < N; i++) pack.elements[i] = to_storage<To>(from[i]);
  *reinterpret_cast<device Pack<To, N>*>(to) = pack;
}
