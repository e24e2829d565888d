#pragma once

// Barriers and the functions of a simdgroup.

#include "fiber.h"
#include "math.h"

namespace metal {

enum class mem_flags : unsigned {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(unsigned(a) | unsigned(b)); }

inline void threadgroup_barrier(mem_flags flags, unsigned line = __builtin_LINE()) {
  mtl::join_threadgroup(mtl::current(), {mtl::Join::threadgroup_barrier, line, "threadgroup_barrier"},
                        unsigned(flags) & unsigned(mem_flags::mem_threadgroup));
}

inline void simdgroup_barrier(mem_flags, unsigned line = __builtin_LINE()) {
  mtl::join_simdgroup(mtl::current(), {mtl::Join::simdgroup_barrier, line, "simdgroup_barrier"}, nullptr);
}

struct simd_vote {
  using vote_t = ulong;
  vote_t value;
  explicit constexpr simd_vote(vote_t v = 0) : value(v) {}
  explicit constexpr operator vote_t() const { return value; }
  bool all() const { return value == 0xffffffffu; }
  bool any() const { return value != 0; }
};

}  // namespace metal

namespace mtl {

template <class T>
inline T load_slot(const unsigned char* slot) {
  T value;
  std::memcpy(&value, slot, sizeof(T));
  return value;
}

/// Every lane gives a value; afterwards each may read all of them.
template <class T>
inline const Exchange& exchange(Fiber& self, T value, const char* name, unsigned line,
                                void (*finish)(Simdgroup&, Exchange&) = nullptr) {
  static_assert(sizeof(T) <= 16, "simdgroup functions take values of at most 16 bytes");
  Simdgroup& group = *self.simdgroup;
  Exchange& place = group.exchange[group.generation & 1];
  std::memcpy(place.slots[self.lane], &value, sizeof(T));
  join_simdgroup(self, {Join::simd_function, line, name}, finish);
  return place;
}

template <class T, class F>
inline void reduce(Simdgroup& group, Exchange& exchange) {
  T values[simd_width];
  unsigned count = 0;
  for (unsigned lane = 0; lane < simd_width; ++lane) {
    if (group.live_mask >> lane & 1) values[count++] = load_slot<T>(exchange.slots[lane]);
  }
  for (; count > 1; count = (count + 1) / 2) {
    for (unsigned i = 0; i < count / 2; ++i) values[i] = F()(values[i], values[i + (count + 1) / 2]);
  }
  std::memcpy(exchange.result, &values[0], sizeof(T));
}

template <class T, class F, bool Inclusive>
inline void scan(Simdgroup& group, Exchange& exchange) {
  T sum = F::template identity<T>();
  for (unsigned lane = 0; lane < simd_width; ++lane) {
    if (!(group.live_mask >> lane & 1)) continue;
    const T next = F()(sum, load_slot<T>(exchange.slots[lane]));
    std::memcpy(exchange.slots[lane], Inclusive ? &next : &sum, sizeof(T));
    sum = next;
  }
}

#define MTL_REDUCTION(Name, expression, start)  \
  struct Name {                                 \
    template <class T>                          \
    T operator()(T a, T b) const {              \
      return expression;                        \
    }                                           \
    template <class T>                          \
    static T identity() {                       \
      return make<T>(start);                    \
    }                                           \
  };
MTL_REDUCTION(Sum, a + b, 0)
MTL_REDUCTION(Product, a* b, 1)
MTL_REDUCTION(Maximum, maximum(a, b), 0)
MTL_REDUCTION(Minimum, minimum(a, b), 0)
MTL_REDUCTION(And, a& b, 0)
MTL_REDUCTION(Or, a | b, 0)
MTL_REDUCTION(Xor, a ^ b, 0)
#undef MTL_REDUCTION

template <class T>
inline T from_lane(T value, unsigned lane, const char* name, unsigned line) {
  return load_slot<T>(exchange(current(), value, name, line).slots[lane % simd_width]);
}

inline ulong ballot(bool value, const char* name, unsigned line) {
  const Exchange& all = exchange<std::uint32_t>(current(), value, name, line, [](Simdgroup& group, Exchange& exchange) {
    ulong mask = 0;
    for (unsigned lane = 0; lane < simd_width; ++lane) {
      if (group.live_mask >> lane & 1) mask |= ulong(load_slot<std::uint32_t>(exchange.slots[lane])) << lane;
    }
    std::memcpy(exchange.result, &mask, sizeof mask);
  });
  return load_slot<ulong>(all.result);
}

}  // namespace mtl

namespace metal {

#define MTL_SIMD_REDUCE(name, F)                                                                            \
  template <class T>                                                                                        \
  inline T name(T value, unsigned line = __builtin_LINE()) {                                                \
    return mtl::load_slot<T>(mtl::exchange(mtl::current(), value, #name, line, mtl::reduce<T, mtl::F>).result); \
  }
MTL_SIMD_REDUCE(simd_sum, Sum)
MTL_SIMD_REDUCE(simd_product, Product)
MTL_SIMD_REDUCE(simd_max, Maximum)
MTL_SIMD_REDUCE(simd_min, Minimum)
MTL_SIMD_REDUCE(simd_and, And)
MTL_SIMD_REDUCE(simd_or, Or)
MTL_SIMD_REDUCE(simd_xor, Xor)
#undef MTL_SIMD_REDUCE

#define MTL_SIMD_SCAN(name, F, inclusive)                                                          \
  template <class T>                                                                               \
  inline T name(T value, unsigned line = __builtin_LINE()) {                                       \
    mtl::Fiber& self = mtl::current();                                                             \
    return mtl::load_slot<T>(                                                                      \
        mtl::exchange(self, value, #name, line, mtl::scan<T, mtl::F, inclusive>).slots[self.lane]); \
  }
MTL_SIMD_SCAN(simd_prefix_inclusive_sum, Sum, true)
MTL_SIMD_SCAN(simd_prefix_exclusive_sum, Sum, false)
MTL_SIMD_SCAN(simd_prefix_inclusive_product, Product, true)
MTL_SIMD_SCAN(simd_prefix_exclusive_product, Product, false)
#undef MTL_SIMD_SCAN

template <class T>
inline T simd_shuffle(T value, ushort lane, unsigned line = __builtin_LINE()) {
  return mtl::from_lane(value, lane, "simd_shuffle", line);
}
template <class T>
inline T simd_shuffle_xor(T value, ushort mask, unsigned line = __builtin_LINE()) {
  return mtl::from_lane(value, mtl::current().lane ^ mask, "simd_shuffle_xor", line);
}
template <class T>
inline T simd_shuffle_down(T value, ushort delta, unsigned line = __builtin_LINE()) {
  const unsigned lane = mtl::current().lane;
  return mtl::from_lane(value, lane + delta < mtl::simd_width ? lane + delta : lane, "simd_shuffle_down", line);
}
template <class T>
inline T simd_shuffle_up(T value, ushort delta, unsigned line = __builtin_LINE()) {
  const unsigned lane = mtl::current().lane;
  return mtl::from_lane(value, lane >= delta ? lane - delta : lane, "simd_shuffle_up", line);
}
template <class T>
inline T simd_shuffle_rotate_down(T value, ushort delta, unsigned line = __builtin_LINE()) {
  return mtl::from_lane(value, mtl::current().lane + delta, "simd_shuffle_rotate_down", line);
}
template <class T>
inline T simd_shuffle_rotate_up(T value, ushort delta, unsigned line = __builtin_LINE()) {
  return mtl::from_lane(value, mtl::current().lane + mtl::simd_width - delta % mtl::simd_width, "simd_shuffle_rotate_up",
                        line);
}
template <class T>
inline T simd_shuffle_and_fill_down(T value, T fill, ushort delta, unsigned line = __builtin_LINE()) {
  const unsigned from = mtl::current().lane + delta;
  const T other = mtl::from_lane(value, from, "simd_shuffle_and_fill_down", line);
  const T filled = mtl::from_lane(fill, from, "simd_shuffle_and_fill_down", line);
  return from < mtl::simd_width ? other : filled;
}
template <class T>
inline T simd_shuffle_and_fill_up(T value, T fill, ushort delta, unsigned line = __builtin_LINE()) {
  const unsigned lane = mtl::current().lane;
  const unsigned from = lane + mtl::simd_width - delta;
  const T other = mtl::from_lane(value, from, "simd_shuffle_and_fill_up", line);
  const T filled = mtl::from_lane(fill, from, "simd_shuffle_and_fill_up", line);
  return lane >= delta ? other : filled;
}
template <class T>
inline T simd_broadcast(T value, ushort lane, unsigned line = __builtin_LINE()) {
  return mtl::from_lane(value, lane, "simd_broadcast", line);
}
template <class T>
inline T simd_broadcast_first(T value, unsigned line = __builtin_LINE()) {
  mtl::Fiber& self = mtl::current();
  const mtl::Exchange& all = mtl::exchange(self, value, "simd_broadcast_first", line);
  return mtl::load_slot<T>(all.slots[__builtin_ctz(self.simdgroup->live_mask)]);
}
inline bool simd_is_first() {
  mtl::Fiber& self = mtl::current();
  return self.lane == unsigned(__builtin_ctz(self.simdgroup->live_mask));
}
inline simd_vote simd_ballot(bool value, unsigned line = __builtin_LINE()) {
  return simd_vote(mtl::ballot(value, "simd_ballot", line));
}
inline bool simd_any(bool value, unsigned line = __builtin_LINE()) { return mtl::ballot(value, "simd_any", line) != 0; }
inline bool simd_all(bool value, unsigned line = __builtin_LINE()) { return mtl::ballot(!value, "simd_all", line) == 0; }
inline simd_vote simd_active_threads_mask(unsigned line = __builtin_LINE()) {
  return simd_vote(mtl::ballot(true, "simd_active_threads_mask", line));
}

}  // namespace metal
