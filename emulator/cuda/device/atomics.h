#pragma once
// Atomics and fences. Threads run in turn, so that plain accesses are atomic. A thread that spins never ends.

#include <type_traits>

#define ATTENTION_ATOMIC(name, result)                         \
  template <typename T>                                        \
  T name(T* address, std::type_identity_t<T> value) {          \
    const T old = *address;                                    \
    *address = T(result);                                      \
    return old;                                                \
  }
ATTENTION_ATOMIC(atomicAdd, old + value)
ATTENTION_ATOMIC(atomicSub, old - value)
ATTENTION_ATOMIC(atomicMin, value < old ? value : old)
ATTENTION_ATOMIC(atomicMax, old < value ? value : old)
ATTENTION_ATOMIC(atomicAnd, old& value)
ATTENTION_ATOMIC(atomicOr, old | value)
ATTENTION_ATOMIC(atomicXor, old ^ value)
ATTENTION_ATOMIC(atomicExch, value)
ATTENTION_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
ATTENTION_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef ATTENTION_ATOMIC

template <typename T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  const T old = *address;
  if (old == compare) *address = value;
  return old;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned) {}

template <typename T>
T __ldg(const T* address) {
  return *address;
}
template <typename T>
T __ldcg(const T* address) {
  return *address;
}
template <typename T>
T __ldcs(const T* address) {
  return *address;
}
template <typename T>
T __ldca(const T* address) {
  return *address;
}
template <typename T>
void __stcs(T* address, std::type_identity_t<T> value) {
  *address = value;
}
template <typename T>
void __stcg(T* address, std::type_identity_t<T> value) {
  *address = value;
}
