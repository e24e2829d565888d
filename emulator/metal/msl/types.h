#pragma once

// Scalars and vectors of the Metal Shading Language.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__F16C__)
#include <immintrin.h>
#endif

using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;
using ulong = unsigned long;

namespace mtl {

template <class To, class From>
constexpr To bit_cast(From value) {
  static_assert(sizeof(To) == sizeof(From), "as_type: sizes differ");
  return __builtin_bit_cast(To, value);
}

constexpr float half_to_float_portable(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t(bits & 0x8000) << 16;
  const std::uint32_t magnitude = std::uint32_t(bits & 0x7fff) << 13;
  if ((bits & 0x7c00) == 0x7c00) return bit_cast<float>(sign | 0x7f800000u | magnitude);
  const float scaled = bit_cast<float>(magnitude) * 0x1p112f;
  return bit_cast<float>(sign | bit_cast<std::uint32_t>(scaled));
}

constexpr std::uint16_t float_to_half_portable(float value) {
  const std::uint32_t all = bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = all >> 16 & 0x8000;
  const std::uint32_t x = all & 0x7fffffff;
  if (x > 0x7f800000u) return sign | 0x7e00 | (x >> 13 & 0x3ff);
  if (x >= 0x477ff000u) return sign | 0x7c00;  // rounds to infinity
  if (x < 0x38800000u) return sign | (bit_cast<std::uint32_t>(bit_cast<float>(x) + 0.5f) - 0x3f000000u);
  return sign | ((x + 0xc8000fffu + (x >> 13 & 1)) >> 13);
}

constexpr float half_to_float(std::uint16_t bits) {
#if defined(__F16C__)
  if (!__builtin_is_constant_evaluated()) return _cvtsh_ss(bits);
#endif
  return half_to_float_portable(bits);
}

constexpr std::uint16_t float_to_half(float value) {
#if defined(__F16C__)
  if (!__builtin_is_constant_evaluated()) return _cvtss_sh(value, 0);
#endif
  return float_to_half_portable(value);
}

constexpr float bfloat_to_float(std::uint16_t bits) { return bit_cast<float>(std::uint32_t(bits) << 16); }

constexpr std::uint16_t float_to_bfloat(float value) {
  const std::uint32_t x = bit_cast<std::uint32_t>(value);
  if ((x & 0x7fffffff) > 0x7f800000u) return x >> 16 | 0x40;
  return (x + 0x7fff + (x >> 16 & 1)) >> 16;
}

template <class T, class U>
using if_same = std::enable_if_t<std::is_same_v<T, U>, int>;

}  // namespace mtl

// The types live in a namespace of their own, so that argument-dependent lookup finds their operators and nothing else.
namespace mtl_types {

using namespace mtl;

struct half {
  std::uint16_t bits;
  half() = default;
  constexpr half(float value) : bits(mtl::float_to_half(value)) {}
  template <class T, mtl::if_same<T, float> = 0>
  constexpr operator T() const {
    return mtl::half_to_float(bits);
  }
  template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  constexpr explicit operator T() const {
    return static_cast<T>(mtl::half_to_float(bits));
  }
};

struct bfloat {
  std::uint16_t bits;
  bfloat() = default;
  constexpr explicit bfloat(float value) : bits(mtl::float_to_bfloat(value)) {}
  template <class T, mtl::if_same<T, float> = 0>
  constexpr operator T() const {
    return mtl::bfloat_to_float(bits);
  }
  template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  constexpr explicit operator T() const {
    return static_cast<T>(mtl::bfloat_to_float(bits));
  }
};

}  // namespace mtl_types

using mtl_types::bfloat;
using mtl_types::half;

namespace mtl {

using namespace mtl_types;

template <class T>
constexpr bool is_small = std::is_same_v<T, half> || std::is_same_v<T, bfloat>;
template <class T>
constexpr bool is_float = is_small<T> || std::is_same_v<T, float>;
template <class T>
constexpr bool is_scalar = is_small<T> || std::is_arithmetic_v<T>;

// half with an integer stays half, with a float becomes float; half and bfloat do not mix.
template <class A, class B>
struct Common {};
template <class A>
struct Common<A, A> {
  using type = A;
};
template <>
struct Common<half, bfloat> {};
template <>
struct Common<bfloat, half> {};
#define MTL_COMMON(S, B, R)  \
  template <>                \
  struct Common<S, B> {      \
    using type = R;          \
  };                         \
  template <>                \
  struct Common<B, S> {      \
    using type = R;          \
  };
#define MTL_COMMON_ALL(S)         \
  MTL_COMMON(S, float, float)     \
  MTL_COMMON(S, bool, S)          \
  MTL_COMMON(S, char, S)          \
  MTL_COMMON(S, signed char, S)   \
  MTL_COMMON(S, uchar, S)         \
  MTL_COMMON(S, short, S)         \
  MTL_COMMON(S, ushort, S)        \
  MTL_COMMON(S, int, S)           \
  MTL_COMMON(S, uint, S)          \
  MTL_COMMON(S, long, S)          \
  MTL_COMMON(S, ulong, S)
MTL_COMMON_ALL(half)
MTL_COMMON_ALL(bfloat)
#undef MTL_COMMON_ALL
#undef MTL_COMMON

template <class A, class B>
using common_small = std::enable_if_t<is_small<A> || is_small<B>, typename Common<A, B>::type>;

}  // namespace mtl

namespace mtl_types {

#define MTL_OPERATOR(op)                                                                  \
  template <class A, class B, class R = mtl::common_small<A, B>>                          \
  constexpr R operator op(A a, B b) {                                                     \
    return R(static_cast<float>(a) op static_cast<float>(b));                             \
  }                                                                                       \
  template <class A, class B, std::enable_if_t<mtl::is_small<A> && mtl::is_scalar<B>, int> = 0> \
  constexpr A& operator op##=(A& a, B b) {                                                \
    return a = A(a op b);                                                                 \
  }
MTL_OPERATOR(+)
MTL_OPERATOR(-)
MTL_OPERATOR(*)
MTL_OPERATOR(/)
#undef MTL_OPERATOR
#define MTL_OPERATOR(op)                                          \
  template <class A, class B, class R = mtl::common_small<A, B>>  \
  constexpr bool operator op(A a, B b) {                          \
    return static_cast<float>(a) op static_cast<float>(b);        \
  }
MTL_OPERATOR(<)
MTL_OPERATOR(>)
MTL_OPERATOR(<=)
MTL_OPERATOR(>=)
MTL_OPERATOR(==)
MTL_OPERATOR(!=)
#undef MTL_OPERATOR
template <class A, std::enable_if_t<mtl::is_small<A>, int> = 0>
constexpr A operator-(A a) {
  a.bits ^= 0x8000;
  return a;
}
template <class A, std::enable_if_t<mtl::is_small<A>, int> = 0>
constexpr A operator+(A a) {
  return a;
}
template <class A, std::enable_if_t<mtl::is_small<A>, int> = 0>
constexpr bool operator!(A a) {
  return (a.bits & 0x7fff) == 0;
}

}  // namespace mtl_types

namespace mtl {

template <class T, int N>
struct NativeVector {
  typedef T type __attribute__((ext_vector_type(N)));
};

}  // namespace mtl

namespace mtl_types {

// Vectors of half and bfloat, which are classes and so cannot be elements of clang's own vectors.

template <class T, int First, int N>
struct Swizzle;

template <class T, int N>
struct SmallVector;

template <class T, int N>
struct Packed;

#define MTL_SWIZZLES_2 T e[2]; struct { T x, y; }; struct { T r, g; };
#define MTL_SWIZZLES_3            \
  T e[3];                         \
  struct { T x, y, z; };          \
  struct { T r, g, b; };          \
  Swizzle<T, 0, 2> xy;            \
  Swizzle<T, 1, 2> yz;
#define MTL_SWIZZLES_4            \
  T e[4];                         \
  struct { T x, y, z, w; };       \
  struct { T r, g, b, a; };       \
  Swizzle<T, 0, 2> xy, lo;        \
  Swizzle<T, 2, 2> zw, hi;        \
  Swizzle<T, 1, 2> yz;            \
  Swizzle<T, 0, 3> xyz;           \
  Swizzle<T, 1, 3> yzw;

template <class T, int First, int N>
struct Swizzle {
  T e[First + N];
  constexpr operator SmallVector<T, N>() const {
    SmallVector<T, N> result;
    for (int i = 0; i < N; ++i) result.e[i] = e[First + i];
    return result;
  }
  constexpr Swizzle& operator=(SmallVector<T, N> value) {
    for (int i = 0; i < N; ++i) e[First + i] = value.e[i];
    return *this;
  }
};

#define MTL_SMALL_VECTOR(N, ALIGN, ...)                                        \
  template <class T>                                                           \
  struct alignas(ALIGN) SmallVector<T, N> {                                    \
    union {                                                                    \
      MTL_SWIZZLES_##N                                                         \
    };                                                                         \
    SmallVector() = default;                                                   \
    constexpr SmallVector(T value) {                                           \
      for (int i = 0; i < N; ++i) e[i] = value;                                \
    }                                                                          \
    constexpr SmallVector(__VA_ARGS__);                                        \
    constexpr T& operator[](std::size_t i) { return e[i]; }                    \
    constexpr const T& operator[](std::size_t i) const { return e[i]; }        \
  };
MTL_SMALL_VECTOR(2, 4, T x0, T x1)
MTL_SMALL_VECTOR(3, 8, T x0, T x1, T x2)
MTL_SMALL_VECTOR(4, 8, T x0, T x1, T x2, T x3)
template <class T>
constexpr SmallVector<T, 2>::SmallVector(T x0, T x1) : e{x0, x1} {}
template <class T>
constexpr SmallVector<T, 3>::SmallVector(T x0, T x1, T x2) : e{x0, x1, x2} {}
template <class T>
constexpr SmallVector<T, 4>::SmallVector(T x0, T x1, T x2, T x3) : e{x0, x1, x2, x3} {}

}  // namespace mtl_types

namespace mtl {

template <class T, int N>
struct VectorOf : NativeVector<T, N> {};
template <int N>
struct VectorOf<bool, N> : NativeVector<int, N> {};  // values only: 0 is false, the rest is true
template <int N>
struct VectorOf<half, N> {
  using type = SmallVector<half, N>;
};
template <int N>
struct VectorOf<bfloat, N> {
  using type = SmallVector<bfloat, N>;
};

template <class T>
struct Traits {
  using element = T;
  static constexpr int size = 1;
};
template <class T, int N>
struct Traits<T __attribute__((ext_vector_type(N)))> {
  using element = T;
  static constexpr int size = N;
};
template <class T, int N>
struct Traits<SmallVector<T, N>> {
  using element = T;
  static constexpr int size = N;
};

template <class V>
using element = typename Traits<V>::element;
template <class V>
constexpr int size = Traits<V>::size;
template <class V>
constexpr bool is_vector = size<V> > 1;
template <class T>
struct IsSmallVector : std::false_type {};
template <class T, int N>
struct IsSmallVector<SmallVector<T, N>> : std::true_type {};

}  // namespace mtl

namespace metal {
template <class T, int N>
using vec = typename mtl::VectorOf<T, N>::type;
}

namespace mtl {

template <class T, class U>
constexpr T convert(U value) {
  if constexpr (std::is_same_v<T, U>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value != U(0);
  } else if constexpr (is_small<U> || is_small<T>) {
    return static_cast<T>(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

template <class V, class A>
inline void append(V& vector, int& at, A value) {
  if constexpr (is_vector<A>) {
    for (int i = 0; i < size<A>; ++i) vector[at++] = mtl::convert<element<V>>(value[i]);
  } else {
    vector[at++] = mtl::convert<element<V>>(value);
  }
}

template <class T>
struct Plain {
  using type = T;
};
template <class T, int First, int N>
struct Plain<Swizzle<T, First, N>> {
  using type = SmallVector<T, N>;
};
template <class T, int N>
struct Plain<Packed<T, N>> {
  using type = typename VectorOf<T, N>::type;
};

/// A constructor call: of a vector from scalars and vectors, of anything else as C++ has it.
template <class V, class... A>
constexpr V make(A... a) {
  if constexpr (!is_vector<V>) {
    if constexpr (sizeof...(A) == 1) {
      if constexpr ((is_scalar<A> && ...) && is_scalar<V>) {
        return (mtl::convert<V>(a), ...);
      } else {
        return V(a...);
      }
    } else {
      return V{a...};
    }
  } else if constexpr (sizeof...(A) == 0) {
    V result;
    for (int i = 0; i < size<V>; ++i) result[i] = element<V>(0);
    return result;
  } else {
    constexpr int given = (0 + ... + size<typename Plain<A>::type>);
    constexpr bool splat = sizeof...(A) == 1 && given == 1;
    static_assert(splat || given == size<V>, "a vector's constructor: wrong number of components");
    V result{};
    int at = 0;
    (append(result, at, static_cast<typename Plain<A>::type>(a)), ...);
    if constexpr (splat) {
      for (; at < size<V>; ++at) result[at] = result[0];
    }
    return result;
  }
}

/// static_cast: a vector's elements are converted one by one.
template <class T, class A>
constexpr T cast(A&& value) {
  using Value = std::remove_cv_t<std::remove_reference_t<A>>;
  if constexpr (std::is_reference_v<T> || std::is_pointer_v<T> || std::is_void_v<T>) {
    return static_cast<T>(value);
  } else if constexpr (is_vector<T> || (is_scalar<std::remove_cv_t<T>> && is_scalar<Value>)) {
    return make<std::remove_cv_t<T>>(Value(value));
  } else {
    return static_cast<T>(value);
  }
}

}  // namespace mtl

namespace mtl_types {

template <class T, int N, class F>
constexpr SmallVector<T, N> each(const SmallVector<T, N>& a, const SmallVector<T, N>& b, F f) {
  SmallVector<T, N> result;
  for (int i = 0; i < N; ++i) result.e[i] = f(a.e[i], b.e[i]);
  return result;
}

#define MTL_OPERATOR(op)                                                                                   \
  template <class T, int N>                                                                                \
  constexpr SmallVector<T, N> operator op(const SmallVector<T, N>& a, const SmallVector<T, N>& b) {        \
    return each(a, b, [](T x, T y) { return x op y; });                                                    \
  }                                                                                                        \
  template <class T, int N, class S, std::enable_if_t<std::is_same_v<S, T> || std::is_integral_v<S>, int> = 0> \
  constexpr SmallVector<T, N> operator op(const SmallVector<T, N>& a, S b) {                               \
    return a op SmallVector<T, N>(mtl::convert<T>(b));                                                          \
  }                                                                                                        \
  template <class T, int N, class S, std::enable_if_t<std::is_same_v<S, T> || std::is_integral_v<S>, int> = 0> \
  constexpr SmallVector<T, N> operator op(S a, const SmallVector<T, N>& b) {                               \
    return SmallVector<T, N>(mtl::convert<T>(a)) op b;                                                          \
  }                                                                                                        \
  template <class T, int N, class S>                                                                       \
  constexpr SmallVector<T, N>& operator op##=(SmallVector<T, N>& a, const S& b) {                          \
    return a = a op b;                                                                                     \
  }                                                                                                        \
  template <class T, int I, int N, class B>                                                                \
  constexpr SmallVector<T, N> operator op(const Swizzle<T, I, N>& a, const B& b) {                         \
    return SmallVector<T, N>(a) op b;                                                                      \
  }                                                                                                        \
  template <class T, int I, int N, class A>                                                                \
  constexpr SmallVector<T, N> operator op(const A& a, const Swizzle<T, I, N>& b) {                         \
    return a op SmallVector<T, N>(b);                                                                      \
  }                                                                                                        \
  template <class T, int I, int J, int N>                                                                  \
  constexpr SmallVector<T, N> operator op(const Swizzle<T, I, N>& a, const Swizzle<T, J, N>& b) {          \
    return SmallVector<T, N>(a) op SmallVector<T, N>(b);                                                   \
  }                                                                                                        \
  template <class V, class S, std::enable_if_t<is_small<S> && is_vector<V> && !IsSmallVector<V>::value, int> = 0> \
  constexpr V operator op(V a, S b) {                                                                      \
    return a op static_cast<element<V>>(static_cast<float>(b));                                            \
  }                                                                                                        \
  template <class V, class S, std::enable_if_t<is_small<S> && is_vector<V> && !IsSmallVector<V>::value, int> = 0> \
  constexpr V operator op(S a, V b) {                                                                      \
    return static_cast<element<V>>(static_cast<float>(a)) op b;                                            \
  }
MTL_OPERATOR(+)
MTL_OPERATOR(-)
MTL_OPERATOR(*)
MTL_OPERATOR(/)
#undef MTL_OPERATOR
#define MTL_OPERATOR(op)                                                                                      \
  template <class T, int N>                                                                                   \
  constexpr typename VectorOf<bool, N>::type operator op(const SmallVector<T, N>& a, const SmallVector<T, N>& b) { \
    typename VectorOf<bool, N>::type result;                                                                  \
    for (int i = 0; i < N; ++i) result[i] = a.e[i] op b.e[i] ? -1 : 0;                                        \
    return result;                                                                                            \
  }
MTL_OPERATOR(<)
MTL_OPERATOR(>)
MTL_OPERATOR(<=)
MTL_OPERATOR(>=)
MTL_OPERATOR(==)
MTL_OPERATOR(!=)
#undef MTL_OPERATOR
template <class T, int N>
constexpr SmallVector<T, N> operator-(SmallVector<T, N> a) {
  for (T& x : a.e) x = -x;
  return a;
}

/// packed_float3 and so on: scalars in memory, a vector as a value.
template <class T, int N>
struct Packed {
  using V = typename VectorOf<T, N>::type;
  T e[N];
  Packed() = default;
  Packed(V value) {
    for (int i = 0; i < N; ++i) e[i] = value[i];
  }
  template <class... A, std::enable_if_t<sizeof...(A) == N && (is_scalar<A> && ...), int> = 0>
  Packed(A... a) : e{mtl::convert<T>(a)...} {}
  operator V() const {
    V result{};
    for (int i = 0; i < N; ++i) result[i] = e[i];
    return result;
  }
  T& operator[](std::size_t i) { return e[i]; }
  const T& operator[](std::size_t i) const { return e[i]; }
};

}  // namespace mtl_types

#define MTL_VECTORS(T)             \
  using T##2 = metal::vec<T, 2>;   \
  using T##3 = metal::vec<T, 3>;   \
  using T##4 = metal::vec<T, 4>;
MTL_VECTORS(bool)
MTL_VECTORS(char)
MTL_VECTORS(uchar)
MTL_VECTORS(short)
MTL_VECTORS(ushort)
MTL_VECTORS(int)
MTL_VECTORS(uint)
MTL_VECTORS(long)
MTL_VECTORS(ulong)
MTL_VECTORS(half)
MTL_VECTORS(bfloat)
MTL_VECTORS(float)
#undef MTL_VECTORS
#define MTL_PACKED(T)                          \
  using packed_##T##2 = mtl_types::Packed<T, 2>;     \
  using packed_##T##3 = mtl_types::Packed<T, 3>;     \
  using packed_##T##4 = mtl_types::Packed<T, 4>;
MTL_PACKED(char)
MTL_PACKED(uchar)
MTL_PACKED(short)
MTL_PACKED(ushort)
MTL_PACKED(int)
MTL_PACKED(uint)
MTL_PACKED(half)
MTL_PACKED(bfloat)
MTL_PACKED(float)
#undef MTL_PACKED

template <class To, class From>
constexpr To as_type(From value) {
  return mtl::bit_cast<To>(value);
}

namespace metal {
using ::as_type;
using ::bfloat;
using ::half;
using ::uchar;
using ::uint;
using ::ulong;
using ::ushort;
using std::conditional_t;
using std::decay_t;
using std::enable_if_t;
using std::false_type;
using std::integral_constant;
using std::is_integral_v;
using std::is_same;
using std::is_same_v;
using std::is_signed_v;
using std::is_unsigned_v;
using std::remove_const_t;
using std::remove_cv_t;
using std::remove_reference_t;
using std::true_type;
using std::enable_if;
using std::conditional;
using size_t = std::size_t;
template <class T>
constexpr bool is_floating_point_v = mtl::is_float<T>;
template <class T>
struct is_floating_point : std::bool_constant<mtl::is_float<T>> {};

template <class T>
struct numeric_limits : std::numeric_limits<T> {};
template <>
struct numeric_limits<half> {
  static constexpr bool is_signed = true, is_integer = false, has_infinity = true;
  static constexpr int digits = 11;
  static constexpr half max() { return half(65504.0f); }
  static constexpr half lowest() { return half(-65504.0f); }
  static constexpr half min() { return half(0x1p-14f); }
  static constexpr half epsilon() { return half(0x1p-10f); }
  static constexpr half infinity() { return as_type<half>(std::uint16_t(0x7c00)); }
  static constexpr half quiet_NaN() { return as_type<half>(std::uint16_t(0x7e00)); }
};
template <>
struct numeric_limits<bfloat> {
  static constexpr bool is_signed = true, is_integer = false, has_infinity = true;
  static constexpr int digits = 8;
  static constexpr bfloat max() { return as_type<bfloat>(std::uint16_t(0x7f7f)); }
  static constexpr bfloat lowest() { return as_type<bfloat>(std::uint16_t(0xff7f)); }
  static constexpr bfloat min() { return as_type<bfloat>(std::uint16_t(0x0080)); }
  static constexpr bfloat epsilon() { return bfloat(0x1p-7f); }
  static constexpr bfloat infinity() { return as_type<bfloat>(std::uint16_t(0x7f80)); }
  static constexpr bfloat quiet_NaN() { return as_type<bfloat>(std::uint16_t(0x7fc0)); }
};
}  // namespace metal
