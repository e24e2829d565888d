#pragma once
// Elements whose type is known only at run time, so that one kernel serves every type. Kernels compute in `Value`,
// float or int. The switch on the type is uniform across threads and runs once per pack.

#include <cstdint>
#include <cstring>

#include "common/convert.cuh"

namespace attention {

/// Adjacent elements that a thread handles at once where possible.
constexpr int pack_elements = 8;

/// Converts like JavaScript's Int32Array: NaN and infinities give 0, other values wrap modulo 2^32. Floats from 2^31 on
/// are integers.
__device__ __forceinline__ int to_int(float value) {
  const float magnitude = fabsf(value);
  if (magnitude < 2147483648.0f) return int(value);
  if (!(magnitude < INFINITY)) return 0;
  return int(uint32_t(value - 4294967296.0f * floorf(value / 4294967296.0f)));
}
__device__ __forceinline__ int to_int(int value) { return value; }

template <typename Value, typename T>
struct Element {
  static __device__ __forceinline__ Value load(T element) { return Value(to_float(element)); }
  static __device__ __forceinline__ T store(Value value) { return from_float<T>(float(value)); }
};
template <typename Value>
struct Element<Value, int32_t> {
  static __device__ __forceinline__ Value load(int32_t element) { return Value(element); }
  static __device__ __forceinline__ int32_t store(Value value) { return to_int(value); }
};
template <typename Value>
struct Element<Value, uint8_t> {  // bool
  static __device__ __forceinline__ Value load(uint8_t element) { return Value(element); }
  static __device__ __forceinline__ uint8_t store(Value value) { return value != Value(0) ? 1 : 0; }
};

template <typename T, int N, typename Value>
__device__ __forceinline__ void load_typed(Value (&to)[N], const void* data, int64_t index) {
  const auto pack = *reinterpret_cast<const Pack<T, N>*>(static_cast<const T*>(data) + index);
#pragma unroll
  for (int i = 0; i < N; i++) to[i] = Element<Value, T>::load(pack.elements[i]);
}

template <typename T, int N, typename Value>
__device__ __forceinline__ void store_typed(void* data, int64_t index, const Value (&from)[N]) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; i++) pack.elements[i] = Element<Value, T>::store(from[i]);
  *reinterpret_cast<Pack<T, N>*>(static_cast<T*>(data) + index) = pack;
}

/// Loads N adjacent elements starting at `index`, a multiple of N.
template <int N, typename Value>
__device__ __forceinline__ void load_elements(Value (&to)[N], const void* data, ElementType type, int64_t index) {
  switch (type) {
    case ElementType::float32: return load_typed<float>(to, data, index);
    case ElementType::float16: return load_typed<float16>(to, data, index);
    case ElementType::bfloat16: return load_typed<bfloat16>(to, data, index);
    case ElementType::int32: return load_typed<int32_t>(to, data, index);
    default: return load_typed<uint8_t>(to, data, index);
  }
}

template <int N, typename Value>
__device__ __forceinline__ void store_elements(void* data, ElementType type, int64_t index, const Value (&from)[N]) {
  switch (type) {
    case ElementType::float32: return store_typed<float>(data, index, from);
    case ElementType::float16: return store_typed<float16>(data, index, from);
    case ElementType::bfloat16: return store_typed<bfloat16>(data, index, from);
    case ElementType::int32: return store_typed<int32_t>(data, index, from);
    default: return store_typed<uint8_t>(data, index, from);
  }
}

/// A pack that is loaded but not yet converted: a thread can have several loads in flight before it uses the first.
struct RawPack {
  uint4 words[2];
};

__device__ __forceinline__ void load_raw(RawPack& raw, const void* data, ElementType type, int64_t index) {
  switch (type) {
    case ElementType::float32:
    case ElementType::int32: {
      const auto* words = reinterpret_cast<const uint4*>(static_cast<const float*>(data) + index);
      raw.words[0] = words[0];
      raw.words[1] = words[1];
      return;
    }
    case ElementType::float16:
    case ElementType::bfloat16:
      raw.words[0] = *reinterpret_cast<const uint4*>(static_cast<const uint16_t*>(data) + index);
      return;
    default: {
      const uint2 words = *reinterpret_cast<const uint2*>(static_cast<const uint8_t*>(data) + index);
      raw.words[0].x = words.x;
      raw.words[0].y = words.y;
    }
  }
}

template <typename T, typename Value>
__device__ __forceinline__ void convert_typed(Value (&to)[pack_elements], const RawPack& raw) {
  Pack<T, pack_elements> pack;
  memcpy(&pack, &raw, sizeof(pack));
#pragma unroll
  for (int i = 0; i < pack_elements; i++) to[i] = Element<Value, T>::load(pack.elements[i]);
}

template <typename Value>
__device__ __forceinline__ void convert_raw(Value (&to)[pack_elements], const RawPack& raw, ElementType type) {
  switch (type) {
    case ElementType::float32: return convert_typed<float>(to, raw);
    case ElementType::float16: return convert_typed<float16>(to, raw);
    case ElementType::bfloat16: return convert_typed<bfloat16>(to, raw);
    case ElementType::int32: return convert_typed<int32_t>(to, raw);
    default: return convert_typed<uint8_t>(to, raw);
  }
}

template <typename Value>
__device__ __forceinline__ Value load_element(const void* data, ElementType type, int64_t index) {
  Value value[1];
  load_elements(value, data, type, index);
  return value[0];
}

template <typename Value>
__device__ __forceinline__ void store_element(void* data, ElementType type, int64_t index, Value value) {
  const Value values[1] = {value};
  store_elements(data, type, index, values);
}

/// A load of one pack or one element, split into its start and its use.
template <typename Value, int N>
struct PendingElements {
  RawPack raw;
  __device__ __forceinline__ void begin(const void* x, ElementType type, int64_t index) {
    load_raw(raw, x, type, index);
  }
  __device__ __forceinline__ void finish(Value (&to)[N], ElementType type) { convert_raw(to, raw, type); }
};
template <typename Value>
struct PendingElements<Value, 1> {
  Value value;
  __device__ __forceinline__ void begin(const void* x, ElementType type, int64_t index) {
    value = load_element<Value>(x, type, index);
  }
  __device__ __forceinline__ void finish(Value (&to)[1], ElementType) { to[0] = value; }
};

/// Loads `count` elements starting at `index`: all N in one access, or fewer one by one. The rest of `to` is unchanged.
template <int N, typename Value>
__device__ __forceinline__ void load_some(Value (&to)[N], const void* data, ElementType type, int64_t index,
                                          int64_t count) {
  if (count >= N) return load_elements(to, data, type, index);
#pragma unroll
  for (int i = 0; i < N; i++) {
    if (i < count) to[i] = load_element<Value>(data, type, index + i);
  }
}

template <int N, typename Value>
__device__ __forceinline__ void store_some(void* data, ElementType type, int64_t index, const Value (&from)[N],
                                           int64_t count) {
  if (count >= N) return store_elements(data, type, index, from);
#pragma unroll
  for (int i = 0; i < N; i++) {
    if (i < count) store_element(data, type, index + i, from[i]);
  }
}

}  // namespace attention
