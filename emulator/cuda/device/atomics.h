#pragma once
// Atomics and fences. Threads run in turn, so that plain accesses are atomic. A thread that spins never ends.

#include <type_traits>

#include "block.h"

// Told apart from plain accesses in a checked build, where clang would report those inside too.
#ifdef ATTENTION_CUDA_KERNELS_TELL_ACCESSES
#define ATTENTION_UNTOLD __attribute__((no_sanitize("thread"), noinline))
#define ATTENTION_TELL_ATOMIC(address) \
  ::attention::emulator::accessed_atomically(address, sizeof *(address), __builtin_return_address(0))
#else
#define ATTENTION_UNTOLD inline
#define ATTENTION_TELL_ATOMIC(address) (void)0
#endif

#define ATTENTION_ATOMIC(name, result)                         \
  template <typename T>                                        \
  ATTENTION_UNTOLD T name(T* address, std::type_identity_t<T> value) { \
    ATTENTION_TELL_ATOMIC(address);                            \
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
ATTENTION_UNTOLD T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  ATTENTION_TELL_ATOMIC(address);
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

#undef ATTENTION_TELL_ATOMIC
