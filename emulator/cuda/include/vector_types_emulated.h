#pragma once
// CUDA's vector types.

namespace attention_vectors {
template <typename T, int Bytes>
constexpr unsigned long alignment = (sizeof(T) * Bytes) > 16 ? 16 : sizeof(T) * Bytes;
}

#define ATTENTION_VECTORS(T, name)                                                    \
  struct name##1 { T x; };                                                            \
  struct alignas(attention_vectors::alignment<T, 2>) name##2 { T x, y; };             \
  struct name##3 { T x, y, z; };                                                      \
  struct alignas(attention_vectors::alignment<T, 4>) name##4 { T x, y, z, w; };       \
  inline name##1 make_##name##1(T x) { return {x}; }                                  \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                          \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                  \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

ATTENTION_VECTORS(signed char, char)
ATTENTION_VECTORS(unsigned char, uchar)
ATTENTION_VECTORS(short, short)
ATTENTION_VECTORS(unsigned short, ushort)
ATTENTION_VECTORS(int, int)
ATTENTION_VECTORS(unsigned int, uint)
ATTENTION_VECTORS(long, long)
ATTENTION_VECTORS(unsigned long, ulong)
ATTENTION_VECTORS(long long, longlong)
ATTENTION_VECTORS(unsigned long long, ulonglong)
ATTENTION_VECTORS(float, float)
ATTENTION_VECTORS(double, double)
#undef ATTENTION_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
