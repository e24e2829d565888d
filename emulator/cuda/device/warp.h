#pragma once
// Barriers, and functions that exchange values between the lanes of a warp.

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "block.h"

#define ATTENTION_CALLER const char *file = __builtin_FILE(), unsigned line = __builtin_LINE()
#define ATTENTION_SITE(name) (::attention::emulator::Site{name, file, line})

namespace attention::emulator {

enum class Shuffle { index, up, down, exclusive_or };

struct ShuffleOperands {
  uint64_t value;
  int argument;
  int width;
};

void shuffle(unsigned mask, ShuffleOperands& operands, Shuffle kind, const Site& site);

template <typename T>
T shuffle(unsigned mask, T value, int argument, int width, Shuffle kind, const Site& site) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  ShuffleOperands operands{0, argument, width};
  std::memcpy(&operands.value, &value, sizeof(T));
  shuffle(mask, operands, kind, site);
  std::memcpy(&value, &operands.value, sizeof(T));
  return value;
}

/// The lanes whose predicate is true.
unsigned ballot(unsigned mask, bool predicate, const Site& site);
/// The lanes that have the same value.
unsigned match(unsigned mask, uint64_t value, const Site& site);
void synchronize_warp(unsigned mask, const Site& site);

template <typename T, typename Operation>
T reduce(unsigned mask, T value, Operation, const Site& site) {
  join_warp(
      mask, &value,
      [](Warp& warp, unsigned lanes) {
        T result = *operands<T>(warp, std::countr_zero(lanes));
        for (unsigned rest = lanes & (lanes - 1); rest; rest &= rest - 1) {
          result = Operation{}(result, *operands<T>(warp, std::countr_zero(rest)));
        }
        for (unsigned rest = lanes; rest; rest &= rest - 1) *operands<T>(warp, std::countr_zero(rest)) = result;
      },
      site);
  return value;
}

struct Smaller {
  template <typename T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Larger {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct Sum {
  template <typename T>
  T operator()(T a, T b) const {
    return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
  }
};
struct BitAnd {
  unsigned operator()(unsigned a, unsigned b) const { return a & b; }
};
struct BitOr {
  unsigned operator()(unsigned a, unsigned b) const { return a | b; }
};
struct BitXor {
  unsigned operator()(unsigned a, unsigned b) const { return a ^ b; }
};

}  // namespace attention::emulator

inline void __syncthreads(ATTENTION_CALLER) {
  attention::emulator::join_block(0, ATTENTION_SITE("__syncthreads"));
}
inline int __syncthreads_count(int predicate, ATTENTION_CALLER) {
  return attention::emulator::join_block(predicate, ATTENTION_SITE("__syncthreads_count"))[0];
}
inline int __syncthreads_and(int predicate, ATTENTION_CALLER) {
  return attention::emulator::join_block(predicate, ATTENTION_SITE("__syncthreads_and"))[1];
}
inline int __syncthreads_or(int predicate, ATTENTION_CALLER) {
  return attention::emulator::join_block(predicate, ATTENTION_SITE("__syncthreads_or"))[2];
}
inline void __syncwarp(unsigned mask = 0xffffffffu, ATTENTION_CALLER) {
  attention::emulator::synchronize_warp(mask, ATTENTION_SITE("__syncwarp"));
}

#define ATTENTION_SHUFFLE(name, Index, kind)                                                              \
  template <typename T>                                                                                   \
  T name(unsigned mask, T value, Index argument, int width = 32, ATTENTION_CALLER) {                      \
    return attention::emulator::shuffle(mask, value, int(argument), width, attention::emulator::Shuffle::kind,    \
                                    ATTENTION_SITE(#name));                                               \
  }
ATTENTION_SHUFFLE(__shfl_sync, int, index)
ATTENTION_SHUFFLE(__shfl_up_sync, unsigned, up)
ATTENTION_SHUFFLE(__shfl_down_sync, unsigned, down)
ATTENTION_SHUFFLE(__shfl_xor_sync, int, exclusive_or)
#undef ATTENTION_SHUFFLE

inline unsigned __ballot_sync(unsigned mask, int predicate, ATTENTION_CALLER) {
  return attention::emulator::ballot(mask, predicate, ATTENTION_SITE("__ballot_sync"));
}
inline int __any_sync(unsigned mask, int predicate, ATTENTION_CALLER) {
  return attention::emulator::ballot(mask, predicate, ATTENTION_SITE("__any_sync")) != 0;
}
inline int __all_sync(unsigned mask, int predicate, ATTENTION_CALLER) {
  return attention::emulator::ballot(mask, predicate, ATTENTION_SITE("__all_sync")) == mask;
}
template <typename T>
unsigned __match_any_sync(unsigned mask, T value, ATTENTION_CALLER) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return attention::emulator::match(mask, bits, ATTENTION_SITE("__match_any_sync"));
}
/// Lanes of the warp that have not returned: at most what a GPU gives.
inline unsigned __activemask() { return attention::emulator::current().warp->live; }

#define ATTENTION_REDUCE(name, T, Operation)                                                         \
  inline T name(unsigned mask, T value, ATTENTION_CALLER) {                                          \
    return attention::emulator::reduce(mask, value, attention::emulator::Operation{}, ATTENTION_SITE(#name)); \
  }
ATTENTION_REDUCE(__reduce_add_sync, unsigned, Sum)
ATTENTION_REDUCE(__reduce_add_sync, int, Sum)
ATTENTION_REDUCE(__reduce_min_sync, unsigned, Smaller)
ATTENTION_REDUCE(__reduce_min_sync, int, Smaller)
ATTENTION_REDUCE(__reduce_max_sync, unsigned, Larger)
ATTENTION_REDUCE(__reduce_max_sync, int, Larger)
ATTENTION_REDUCE(__reduce_and_sync, unsigned, BitAnd)
ATTENTION_REDUCE(__reduce_or_sync, unsigned, BitOr)
ATTENTION_REDUCE(__reduce_xor_sync, unsigned, BitXor)
#undef ATTENTION_REDUCE

inline void __trap(ATTENTION_CALLER) { attention::emulator::fail(ATTENTION_SITE("__trap"), "the kernel traps"); }
