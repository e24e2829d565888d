#pragma once

// Relaxed atomics. Threadgroups may run on several worker threads, so those in device memory are real ones.

#include "types.h"

namespace mtl {
/// Checked shaders: the access is seen like a plain one that races with no other atomic one.
void check_atomic(const volatile void* address, unsigned bytes, bool writes);
}  // namespace mtl

namespace metal {

enum memory_order { memory_order_relaxed = __ATOMIC_RELAXED };

template <class T>
struct atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || std::is_same_v<T, bool>, "atomics are of int, uint, ulong, bool, float");
  T value;
};
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_bool = atomic<bool>;
using atomic_float = atomic<float>;
using atomic_ulong = atomic<ulong>;

template <class T>
inline T atomic_load_explicit(const volatile atomic<T>* object, memory_order) {
  mtl::check_atomic(object, sizeof(T), false);
  T result;
  __atomic_load(const_cast<const T*>(&object->value), &result, __ATOMIC_RELAXED);
  return result;
}
template <class T, class U>
inline void atomic_store_explicit(volatile atomic<T>* object, U desired, memory_order) {
  mtl::check_atomic(object, sizeof(T), true);
  T value = static_cast<T>(desired);
  __atomic_store(const_cast<T*>(&object->value), &value, __ATOMIC_RELAXED);
}
template <class T, class U>
inline T atomic_exchange_explicit(volatile atomic<T>* object, U desired, memory_order) {
  mtl::check_atomic(object, sizeof(T), true);
  T value = static_cast<T>(desired), result;
  __atomic_exchange(const_cast<T*>(&object->value), &value, &result, __ATOMIC_RELAXED);
  return result;
}
template <class T, class U>
inline bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* object, T* expected, U desired, memory_order,
                                                  memory_order) {
  mtl::check_atomic(object, sizeof(T), true);
  T value = static_cast<T>(desired);
  return __atomic_compare_exchange(const_cast<T*>(&object->value), expected, &value, false, __ATOMIC_RELAXED,
                                   __ATOMIC_RELAXED);
}

#define MTL_FETCH(name, expression)                                                                        \
  template <class T, class U>                                                                              \
  inline T atomic_fetch_##name##_explicit(volatile atomic<T>* object, U operand, memory_order) {           \
    mtl::check_atomic(object, sizeof(T), true);                                                            \
    T* place = const_cast<T*>(&object->value);                                                             \
    const T b = static_cast<T>(operand);                                                                   \
    T a;                                                                                                   \
    __atomic_load(place, &a, __ATOMIC_RELAXED);                                                            \
    for (;;) {                                                                                             \
      T next = static_cast<T>(expression);                                                                 \
      if (__atomic_compare_exchange(place, &a, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return a; \
    }                                                                                                      \
  }
MTL_FETCH(add, a + b)
MTL_FETCH(sub, a - b)
MTL_FETCH(min, a < b ? a : b)
MTL_FETCH(max, a > b ? a : b)
MTL_FETCH(and, a& b)
MTL_FETCH(or, a | b)
MTL_FETCH(xor, a ^ b)
#undef MTL_FETCH

}  // namespace metal
