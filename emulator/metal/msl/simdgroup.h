#pragma once

// Barriers and the functions of a simdgroup.

#include "math.h"
#include "threadgroup.h"

#define MTL_CALLER const char *file = __builtin_FILE(), unsigned line = __builtin_LINE()
#define MTL_SITE(name) (::mtl::Site{name, file, line})

namespace metal {

enum class mem_flags : unsigned {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(unsigned(a) | unsigned(b)); }

inline void threadgroup_barrier(mem_flags flags, MTL_CALLER) {
  mtl::join_threadgroup(mtl::current(), MTL_SITE("threadgroup_barrier"), unsigned(flags));
}

inline void simdgroup_barrier(mem_flags, MTL_CALLER) {
  mtl::join_simdgroup(mtl::current(), MTL_SITE("simdgroup_barrier"), true);
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
template <class T, void (*finish)(Simdgroup&, Exchange&) = keep>
inline const Exchange& exchange(Thread& self, T value, const Site& site) {
  static_assert(sizeof(T) <= 16, "simdgroup functions take values of at most 16 bytes");
  Exchange& place = exchange_of(*self.warp);
  std::memcpy(place.slots[self.lane], &value, sizeof(T));
  join_simdgroup<finish>(self, site, false);
  return place;
}

template <class T, class F>
inline void reduce(Simdgroup& group, Exchange& exchange) {
  T values[simd_width];
  unsigned count = 0;
  for (unsigned lane = 0; lane < simd_width; ++lane) {
    if (group.live >> lane & 1) values[count++] = load_slot<T>(exchange.slots[lane]);
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
    if (!(group.live >> lane & 1)) continue;
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
inline T from_lane(T value, unsigned lane, const Site& site) {
  return load_slot<T>(exchange(current(), value, site).slots[lane % simd_width]);
}

inline void vote(Simdgroup& group, Exchange& exchange) {
  ulong mask = 0;
  for (unsigned lane = 0; lane < simd_width; ++lane) {
    if (group.live >> lane & 1) mask |= ulong(load_slot<uint32_t>(exchange.slots[lane])) << lane;
  }
  std::memcpy(exchange.result, &mask, sizeof mask);
}

inline ulong ballot(bool value, const Site& site) {
  return load_slot<ulong>(exchange<uint32_t, vote>(current(), value, site).result);
}

}  // namespace mtl

namespace metal {

#define MTL_SIMD_REDUCE(name, F)                                                                         \
  template <class T>                                                                                     \
  inline T name(T value, MTL_CALLER) {                                                                   \
    return mtl::load_slot<T>(                                                                            \
        mtl::exchange<T, mtl::reduce<T, mtl::F>>(mtl::current(), value, MTL_SITE(#name)).result);        \
  }
MTL_SIMD_REDUCE(simd_sum, Sum)
MTL_SIMD_REDUCE(simd_product, Product)
MTL_SIMD_REDUCE(simd_max, Maximum)
MTL_SIMD_REDUCE(simd_min, Minimum)
MTL_SIMD_REDUCE(simd_and, And)
MTL_SIMD_REDUCE(simd_or, Or)
MTL_SIMD_REDUCE(simd_xor, Xor)
#undef MTL_SIMD_REDUCE

#define MTL_SIMD_SCAN(name, F, inclusive)                                                                \
  template <class T>                                                                                     \
  inline T name(T value, MTL_CALLER) {                                                                   \
    mtl::Thread& self = mtl::current();                                                                  \
    return mtl::load_slot<T>(                                                                            \
        mtl::exchange<T, mtl::scan<T, mtl::F, inclusive>>(self, value, MTL_SITE(#name)).slots[self.lane]); \
  }
MTL_SIMD_SCAN(simd_prefix_inclusive_sum, Sum, true)
MTL_SIMD_SCAN(simd_prefix_exclusive_sum, Sum, false)
MTL_SIMD_SCAN(simd_prefix_inclusive_product, Product, true)
MTL_SIMD_SCAN(simd_prefix_exclusive_product, Product, false)
#undef MTL_SIMD_SCAN

template <class T>
inline T simd_shuffle(T value, ushort lane, MTL_CALLER) {
  return mtl::from_lane(value, lane, MTL_SITE("simd_shuffle"));
}
template <class T>
inline T simd_shuffle_xor(T value, ushort mask, MTL_CALLER) {
  return mtl::from_lane(value, mtl::current().lane ^ mask, MTL_SITE("simd_shuffle_xor"));
}
template <class T>
inline T simd_shuffle_down(T value, ushort delta, MTL_CALLER) {
  const unsigned lane = mtl::current().lane;
  return mtl::from_lane(value, lane + delta < mtl::simd_width ? lane + delta : lane, MTL_SITE("simd_shuffle_down"));
}
template <class T>
inline T simd_shuffle_up(T value, ushort delta, MTL_CALLER) {
  const unsigned lane = mtl::current().lane;
  return mtl::from_lane(value, lane >= delta ? lane - delta : lane, MTL_SITE("simd_shuffle_up"));
}
template <class T>
inline T simd_shuffle_rotate_down(T value, ushort delta, MTL_CALLER) {
  return mtl::from_lane(value, mtl::current().lane + delta, MTL_SITE("simd_shuffle_rotate_down"));
}
template <class T>
inline T simd_shuffle_rotate_up(T value, ushort delta, MTL_CALLER) {
  return mtl::from_lane(value, mtl::current().lane + mtl::simd_width - delta % mtl::simd_width, "simd_shuffle_rotate_up",
                        line);
}
template <class T>
inline T simd_shuffle_and_fill_down(T value, T fill, ushort delta, MTL_CALLER) {
  const unsigned from = mtl::current().lane + delta;
  const T other = mtl::from_lane(value, from, MTL_SITE("simd_shuffle_and_fill_down"));
  const T filled = mtl::from_lane(fill, from, MTL_SITE("simd_shuffle_and_fill_down"));
  return from < mtl::simd_width ? other : filled;
}
template <class T>
inline T simd_shuffle_and_fill_up(T value, T fill, ushort delta, MTL_CALLER) {
  const unsigned lane = mtl::current().lane;
  const unsigned from = lane + mtl::simd_width - delta;
  const T other = mtl::from_lane(value, from, MTL_SITE("simd_shuffle_and_fill_up"));
  const T filled = mtl::from_lane(fill, from, MTL_SITE("simd_shuffle_and_fill_up"));
  return lane >= delta ? other : filled;
}
template <class T>
inline T simd_broadcast(T value, ushort lane, MTL_CALLER) {
  return mtl::from_lane(value, lane, MTL_SITE("simd_broadcast"));
}
template <class T>
inline T simd_broadcast_first(T value, MTL_CALLER) {
  mtl::Thread& self = mtl::current();
  const mtl::Exchange& all = mtl::exchange(self, value, MTL_SITE("simd_broadcast_first"));
  return mtl::load_slot<T>(all.slots[__builtin_ctz(self.warp->live)]);
}
inline bool simd_is_first() {
  mtl::Thread& self = mtl::current();
  return self.lane == unsigned(__builtin_ctz(self.warp->live));
}
inline simd_vote simd_ballot(bool value, MTL_CALLER) {
  return simd_vote(mtl::ballot(value, MTL_SITE("simd_ballot")));
}
inline bool simd_any(bool value, MTL_CALLER) { return mtl::ballot(value, MTL_SITE("simd_any")) != 0; }
inline bool simd_all(bool value, MTL_CALLER) { return mtl::ballot(!value, MTL_SITE("simd_all")) == 0; }
inline simd_vote simd_active_threads_mask(MTL_CALLER) {
  return simd_vote(mtl::ballot(true, MTL_SITE("simd_active_threads_mask")));
}

}  // namespace metal
