#pragma once

// Math, integer and relational functions. Those of half and bfloat are computed in float and rounded.

#include "types.h"

namespace metal {}

namespace mtl {

template <class T, class F>
inline auto map(T x, F f) {
  if constexpr (is_vector<T>) {
    T result{};
    for (int i = 0; i < size<T>; ++i) result[i] = map<element<T>>(x[i], f);
    return result;
  } else if constexpr (is_small<T>) {
    return T(f(static_cast<float>(x)));
  } else {
    return f(static_cast<float>(x));
  }
}

// The type in which a function of several arguments computes: vectors take their scalars along.
template <class A, class B, class = void>
struct Wider {
  using type = std::conditional_t<is_vector<A>, A, B>;
};
template <class A, class B>
struct Wider<A, B, std::enable_if_t<!is_vector<A> && !is_vector<B>>> {
  // Metal has overloads for float and half alone: an integer goes along with a floating point argument.
  using type = std::conditional_t<
      std::is_same_v<A, B>, A,
      std::conditional_t<is_float<A> && std::is_integral_v<B>, A,
                         std::conditional_t<is_float<B> && std::is_integral_v<A>, B, float>>>;
};
template <class A, class B>
using wider = typename Wider<A, B>::type;

template <class V, class A>
inline V widen(A value) {
  return make<V>(value);
}

template <class A>
using floating = std::conditional_t<std::is_integral_v<A>, float, A>;

template <class V, class F>
inline V map2(V a, V b, F f) {
  if constexpr (is_vector<V>) {
    V result{};
    for (int i = 0; i < size<V>; ++i) result[i] = map2<element<V>>(a[i], b[i], f);
    return result;
  } else {
    return convert<V>(f(static_cast<float>(a), static_cast<float>(b)));
  }
}

template <class V, class F>
inline V map3(V a, V b, V c, F f) {
  if constexpr (is_vector<V>) {
    V result{};
    for (int i = 0; i < size<V>; ++i) result[i] = map3<element<V>>(a[i], b[i], c[i], f);
    return result;
  } else {
    return convert<V>(f(static_cast<float>(a), static_cast<float>(b), static_cast<float>(c)));
  }
}

template <class A, class B>
constexpr bool same_operands = is_vector<A> || is_vector<B> || std::is_same_v<A, B>;

// min and max of scalars: both of one type, as elsewhere the call is ambiguous in Metal.
template <class T>
inline T minimum(T a, T b) {
  if constexpr (is_vector<T>) {
    T result{};
    for (int i = 0; i < size<T>; ++i) result[i] = minimum<element<T>>(a[i], b[i]);
    return result;
  } else if constexpr (is_float<T>) {
    return T(__builtin_fminf(a, b));
  } else {
    return a < b ? a : b;
  }
}
template <class T>
inline T maximum(T a, T b) {
  if constexpr (is_vector<T>) {
    T result{};
    for (int i = 0; i < size<T>; ++i) result[i] = maximum<element<T>>(a[i], b[i]);
    return result;
  } else if constexpr (is_float<T>) {
    return T(__builtin_fmaxf(a, b));
  } else {
    return a > b ? a : b;
  }
}

template <class T, class F>
inline auto test(T x, F f) {
  if constexpr (is_vector<T>) {
    typename VectorOf<bool, size<T>>::type result{};
    for (int i = 0; i < size<T>; ++i) result[i] = f(static_cast<float>(x[i])) ? -1 : 0;
    return result;
  } else {
    return bool(f(static_cast<float>(x)));
  }
}

template <class T, class F>
inline T map_bits(T x, F f) {
  static_assert(std::is_integral_v<element<T>>, "an integer function");
  if constexpr (is_vector<T>) {
    T result{};
    for (int i = 0; i < size<T>; ++i) result[i] = map_bits<element<T>>(x[i], f);
    return result;
  } else {
    return static_cast<T>(f(static_cast<std::make_unsigned_t<T>>(x)));
  }
}

}  // namespace mtl

namespace metal {

#define MTL_UNARY(name, expression)                                  \
  template <class T>                                                 \
  inline auto name(T value) {                                        \
    return mtl::map(value, [](float x) -> float { return expression; }); \
  }
MTL_UNARY(fabs, __builtin_fabsf(x))
MTL_UNARY(floor, __builtin_floorf(x))
MTL_UNARY(ceil, __builtin_ceilf(x))
MTL_UNARY(round, __builtin_roundf(x))
MTL_UNARY(rint, __builtin_rintf(x))
MTL_UNARY(trunc, __builtin_truncf(x))
MTL_UNARY(sqrt, __builtin_sqrtf(x))
MTL_UNARY(rsqrt, 1.0f / __builtin_sqrtf(x))
MTL_UNARY(exp, __builtin_expf(x))
MTL_UNARY(exp2, __builtin_exp2f(x))
MTL_UNARY(exp10, __builtin_powf(10.0f, x))
MTL_UNARY(log, __builtin_logf(x))
MTL_UNARY(log2, __builtin_log2f(x))
MTL_UNARY(log10, __builtin_log10f(x))
MTL_UNARY(sin, __builtin_sinf(x))
MTL_UNARY(cos, __builtin_cosf(x))
MTL_UNARY(tan, __builtin_tanf(x))
MTL_UNARY(sinh, __builtin_sinhf(x))
MTL_UNARY(cosh, __builtin_coshf(x))
MTL_UNARY(tanh, __builtin_tanhf(x))
MTL_UNARY(asin, __builtin_asinf(x))
MTL_UNARY(acos, __builtin_acosf(x))
MTL_UNARY(atan, __builtin_atanf(x))
MTL_UNARY(asinh, __builtin_asinhf(x))
MTL_UNARY(acosh, __builtin_acoshf(x))
MTL_UNARY(atanh, __builtin_atanhf(x))
MTL_UNARY(sinpi, __builtin_sinf(x * 3.14159265358979323846f))
MTL_UNARY(cospi, __builtin_cosf(x * 3.14159265358979323846f))
MTL_UNARY(saturate, __builtin_fminf(__builtin_fmaxf(x, 0.0f), 1.0f))
MTL_UNARY(fract, __builtin_fminf(x - __builtin_floorf(x), 0x1.fffffep-1f))
MTL_UNARY(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x == 0 ? x : 0.0f)
#undef MTL_UNARY

template <class T>
inline T abs(T x) {
  if constexpr (mtl::is_float<mtl::element<T>>) {
    return fabs(x);
  } else if constexpr (mtl::is_vector<T>) {
    T result{};
    for (int i = 0; i < mtl::size<T>; ++i) result[i] = x[i] < 0 ? -x[i] : x[i];
    return result;
  } else {
    return x < T(0) ? T(-x) : x;
  }
}

#define MTL_BINARY(name, expression)                                                                        \
  template <class A, class B, class V = mtl::floating<mtl::wider<A, B>>>                                     \
  inline V name(A first, B second) {                                                                        \
    return mtl::map2(mtl::widen<V>(first), mtl::widen<V>(second), [](float x, float y) -> float { return expression; }); \
  }
MTL_BINARY(fmin, __builtin_fminf(x, y))
MTL_BINARY(fmax, __builtin_fmaxf(x, y))
MTL_BINARY(pow, __builtin_powf(x, y))
MTL_BINARY(powr, __builtin_powf(x, y))
MTL_BINARY(fmod, __builtin_fmodf(x, y))
MTL_BINARY(atan2, __builtin_atan2f(x, y))
MTL_BINARY(copysign, __builtin_copysignf(x, y))
MTL_BINARY(fdim, __builtin_fdimf(x, y))
MTL_BINARY(step, y < x ? 0.0f : 1.0f)
MTL_BINARY(nextafter, __builtin_nextafterf(x, y))
#undef MTL_BINARY

template <class T>
inline T divide(T a, T b) {
  return a / b;
}

#define MTL_TERNARY(name, expression)                                                                          \
  template <class A, class B, class C, class V = mtl::floating<mtl::wider<mtl::wider<A, B>, C>>>                \
  inline V name(A first, B second, C third) {                                                                  \
    return mtl::map3(mtl::widen<V>(first), mtl::widen<V>(second), mtl::widen<V>(third),                        \
                     [](float x, float y, float z) -> float { return expression; });                           \
  }
MTL_TERNARY(fma, __builtin_fmaf(x, y, z))
MTL_TERNARY(mix, x + (y - x) * z)
MTL_TERNARY(smoothstep, ([](float t) { return t * t * (3.0f - 2.0f * t); })(__builtin_fminf(__builtin_fmaxf((z - x) / (y - x), 0.0f), 1.0f)))
#undef MTL_TERNARY

template <class A, class B, class V = mtl::wider<A, B>>
inline V min(A a, B b) {
  static_assert(mtl::same_operands<A, B>, "min: arguments of different types are ambiguous in Metal");
  return mtl::minimum<V>(mtl::widen<V>(a), mtl::widen<V>(b));
}
template <class A, class B, class V = mtl::wider<A, B>>
inline V max(A a, B b) {
  static_assert(mtl::same_operands<A, B>, "max: arguments of different types are ambiguous in Metal");
  return mtl::maximum<V>(mtl::widen<V>(a), mtl::widen<V>(b));
}
template <class T>
inline T min3(T a, T b, T c) {
  return min(min(a, b), c);
}
template <class T>
inline T max3(T a, T b, T c) {
  return max(max(a, b), c);
}
template <class A, class B, class C>
inline A clamp(A x, B low, C high) {
  static_assert(mtl::same_operands<A, B> && mtl::same_operands<A, C>,
                "clamp: arguments of different types are ambiguous in Metal");
  return min(max(x, low), high);
}

template <class T>
inline T ldexp(T x, int exponent) {
  return T(__builtin_ldexpf(x, exponent));
}
template <class T>
inline T frexp(T x, int& exponent) {
  return T(__builtin_frexpf(x, &exponent));
}
template <class T>
inline int ilogb(T x) {
  return __builtin_ilogbf(x);
}
template <class T>
inline T modf(T x, T& whole) {
  whole = trunc(x);
  return copysign(T(x - whole), x);
}
template <class T>
inline T sincos(T x, T& cosine) {
  cosine = cos(x);
  return sin(x);
}

template <class T>
inline auto isnan(T x) {
  return mtl::test(x, [](float v) { return __builtin_isnan(v); });
}
template <class T>
inline auto isinf(T x) {
  return mtl::test(x, [](float v) { return __builtin_isinf(v) != 0; });
}
template <class T>
inline auto isfinite(T x) {
  return mtl::test(x, [](float v) { return __builtin_isfinite(v); });
}
template <class T>
inline auto isnormal(T x) {
  return mtl::test(x, [](float v) { return __builtin_isnormal(v); });
}
template <class T>
inline auto signbit(T x) {
  return mtl::test(x, [](float v) { return __builtin_signbit(v) != 0; });
}

template <class T>
inline bool any(T x) {
  if constexpr (mtl::is_vector<T>) {
    for (int i = 0; i < mtl::size<T>; ++i) {
      if (x[i]) return true;
    }
    return false;
  } else {
    return bool(x);
  }
}
template <class T>
inline bool all(T x) {
  if constexpr (mtl::is_vector<T>) {
    for (int i = 0; i < mtl::size<T>; ++i) {
      if (!x[i]) return false;
    }
    return true;
  } else {
    return bool(x);
  }
}

/// b where the condition holds, else a.
template <class A, class B, class C, class V = mtl::wider<A, B>>
inline V select(A a, B b, C condition) {
  if constexpr (mtl::is_vector<V>) {
    const V first = mtl::widen<V>(a), second = mtl::widen<V>(b);
    V result{};
    for (int i = 0; i < mtl::size<V>; ++i) {
      if constexpr (mtl::is_vector<C>) {
        result[i] = condition[i] ? second[i] : first[i];
      } else {
        result[i] = condition ? second[i] : first[i];
      }
    }
    return result;
  } else {
    static_assert(mtl::same_operands<A, B>, "select: arguments of different types are ambiguous in Metal");
    return condition ? b : a;
  }
}

template <class V>
inline mtl::element<V> dot(V a, V b) {
  static_assert(mtl::is_vector<V>, "dot takes vectors");
  float sum = 0;
  for (int i = 0; i < mtl::size<V>; ++i) sum += static_cast<float>(a[i]) * static_cast<float>(b[i]);
  return mtl::element<V>(sum);
}
template <class V>
inline mtl::element<V> length_squared(V a) {
  return dot(a, a);
}
template <class V>
inline mtl::element<V> length(V a) {
  return sqrt(dot(a, a));
}
template <class V>
inline mtl::element<V> distance(V a, V b) {
  return length(V(a - b));
}
template <class V>
inline V normalize(V a) {
  return a * rsqrt(dot(a, a));
}
template <class V>
inline V cross(V a, V b) {
  static_assert(mtl::size<V> == 3, "cross takes vectors of 3");
  V result{};
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    result[i] = a[j] * b[k] - a[k] * b[j];
  }
  return result;
}

template <class T>
inline T popcount(T x) {
  return mtl::map_bits(x, [](auto v) { return __builtin_popcountll(v); });
}
template <class T>
inline T clz(T x) {
  return mtl::map_bits(x, [](auto v) {
    return v == 0 ? int(sizeof(v) * 8) : __builtin_clzll(v) - int(64 - sizeof(v) * 8);
  });
}
template <class T>
inline T ctz(T x) {
  return mtl::map_bits(x, [](auto v) { return v == 0 ? int(sizeof(v) * 8) : __builtin_ctzll(v); });
}
template <class T>
inline T reverse_bits(T x) {
  return mtl::map_bits(x, [](auto v) {
    decltype(v) result = 0;
    for (unsigned i = 0; i < sizeof(v) * 8; ++i) result |= decltype(v)(v >> i & 1) << (sizeof(v) * 8 - 1 - i);
    return result;
  });
}
template <class T>
inline T rotate(T x, T by) {
  using U = std::make_unsigned_t<T>;
  constexpr unsigned bits = sizeof(T) * 8;
  const unsigned n = unsigned(by) % bits;
  return n == 0 ? x : T(U(x) << n | U(x) >> (bits - n));
}
template <class T>
inline T extract_bits(T x, uint offset, uint bits) {
  if (bits == 0) return T(0);
  constexpr unsigned all = sizeof(T) * 8;
  return T(T(std::make_unsigned_t<T>(x) << (all - offset - bits)) >> (all - bits));
}
template <class T>
inline T insert_bits(T base, T insert, uint offset, uint bits) {
  using U = std::make_unsigned_t<T>;
  if (bits == 0) return base;
  const U mask = U(bits == sizeof(T) * 8 ? ~U(0) : (U(1) << bits) - 1) << offset;
  return T((U(base) & ~mask) | ((U(insert) << offset) & mask));
}
template <class T>
inline T mulhi(T a, T b) {
  static_assert(std::is_integral_v<T>, "an integer function");
  using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
  return T((Wide(a) * Wide(b)) >> (sizeof(T) * 8));
}
template <class T>
inline T mul24(T a, T b) {
  return a * b;
}
template <class T>
inline T mad24(T a, T b, T c) {
  return a * b + c;
}
template <class T>
inline auto absdiff(T a, T b) {
  using U = std::make_unsigned_t<T>;
  return a > b ? U(U(a) - U(b)) : U(U(b) - U(a));
}
template <class T>
inline T addsat(T a, T b) {
  T result;
  if (!__builtin_add_overflow(a, b, &result)) return result;
  return b < T(0) ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}
template <class T>
inline T subsat(T a, T b) {
  T result;
  if (!__builtin_sub_overflow(a, b, &result)) return result;
  return b > T(0) ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}

namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}

}  // namespace metal

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_inff()
#define MAXFLOAT __FLT_MAX__
#define FLT_MAX __FLT_MAX__
#define FLT_MIN __FLT_MIN__
#define FLT_EPSILON __FLT_EPSILON__
#define MAXHALF half(65504.0f)
#define HALF_MAX half(65504.0f)
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_1_PI_F 0.31830988618379067154f
#define M_2_PI_F 0.63661977236758134308f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.70710678118654752440f
#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.43429448190325182765f
#define M_LN2_F 0.69314718055994530942f
#define M_LN10_F 2.30258509299404568402f
#ifndef INT_MAX
#define INT_MAX __INT_MAX__
#define INT_MIN (-__INT_MAX__ - 1)
#define UINT_MAX (__INT_MAX__ * 2u + 1u)
#define LONG_MAX __LONG_MAX__
#define ULONG_MAX (__LONG_MAX__ * 2ul + 1ul)
#define SHRT_MAX __SHRT_MAX__
#define USHRT_MAX (__SHRT_MAX__ * 2 + 1)
#define CHAR_BIT __CHAR_BIT__
#endif
