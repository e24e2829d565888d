#pragma once

// What a translated shader is compiled against.

#include "atomic.h"
#include "math.h"
#include "matrix.h"
#include "simdgroup.h"
#include "threadgroup.h"
#include "types.h"

#ifdef MTL_CHECKED
#include "redirected.h"
#endif

namespace mtl {

/// A `threadgroup` variable of a kernel's body; `site` tells them apart.
template <class T>
inline T& threadgroup_variable(unsigned site, const char* name, MTL_CALLER) {
  const Thread& self = current();
  Threadgroup& group = threadgroup_of(self);
  if (group.variables[site] == no_variable) {
    constexpr uint32_t bytes = (sizeof(T) + 15) / 16 * 16;
    if (bytes > max_threadgroup_memory || group.variable_bytes + bytes > max_threadgroup_memory) {
      group.host->fail(self, MTL_SITE(name), "threadgroup memory: this variable brings it to more than 32768 bytes");
    }
    group.variables[site] = group.allocate(group, bytes);
  }
  return *reinterpret_cast<T*>(group.memory + group.variables[site]);
}

template <class T>
struct BuiltinValue {
  template <class F>
  static T from(F component) {
    using E = element<T>;
    if constexpr (is_vector<T>) {
      T result{};
      for (int i = 0; i < size<T>; ++i) result[i] = static_cast<E>(component(i));
      return result;
    } else {
      return static_cast<T>(component(0));
    }
  }
};

template <int Code, class P>
inline P argument(const Thread& self) {
  constexpr auto kind = static_cast<Argument::Kind>(Code >> 8);
  constexpr int index = Code & 255;
  const Threadgroup& group = threadgroup_of(self);
  if constexpr (kind == Argument::buffer || kind == Argument::threadgroup) {
    const void* memory = kind == Argument::buffer ? group.buffers[index] : group.dynamic_memory[index];
    if constexpr (std::is_reference_v<P>) {
      return *static_cast<std::remove_reference_t<P>*>(const_cast<void*>(memory));
    } else {
      static_assert(std::is_pointer_v<P>, "a [[buffer]] or [[threadgroup]] argument is a pointer or a reference");
      return static_cast<P>(const_cast<void*>(memory));
    }
  } else {
    using T = std::remove_cv_t<P>;
    static_assert(std::is_integral_v<element<T>>, "an argument of this attribute is of uint or ushort");
    return BuiltinValue<T>::from([&](int i) -> uint32_t {
      switch (kind) {
        case Argument::thread_position_in_grid: return component(group.position, i) * component(group.size, i) + component(self.position, i);
        case Argument::threadgroup_position_in_grid: return component(group.position, i);
        case Argument::thread_position_in_threadgroup: return component(self.position, i);
        case Argument::threads_per_grid: return component(group.count, i) * component(group.size, i);
        case Argument::threads_per_threadgroup: return component(group.size, i);
        case Argument::threadgroups_per_grid: return component(group.count, i);
        case Argument::thread_index_in_threadgroup: return self.index;
        case Argument::simdgroup_index_in_threadgroup: return self.warp->index;
        case Argument::thread_index_in_simdgroup: return self.lane;
        case Argument::simdgroups_per_threadgroup: return group.warp_count;
        default: return simd_width;
      }
    });
  }
}

template <int... Codes, class... P>
inline void invoke(void (*kernel)(P...), const Thread& self) {
  static_assert(sizeof...(Codes) == sizeof...(P), "every argument of a kernel needs an attribute");
  kernel(argument<Codes, P>(self)...);
}

template <class T>
inline void set_constant(T& constant, int64_t integer, double number) {
  if constexpr (std::is_same_v<T, bool>) {
    constant = integer != 0;
  } else if constexpr (std::is_integral_v<T>) {
    constant = static_cast<T>(integer);
  } else {
    constant = static_cast<T>(static_cast<float>(number));
  }
}

#ifndef MTL_CHECKED
inline void check_atomic(const volatile void*, unsigned, bool) {}
#endif

}  // namespace mtl
