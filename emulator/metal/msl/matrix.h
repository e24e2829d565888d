#pragma once

// simdgroup_matrix: 8 by 8, two elements a lane, placed as Apple's GPUs place them.

#include "simdgroup.h"

namespace mtl {

inline unsigned matrix_row(unsigned lane) { return lane / 16 * 4 + lane / 2 % 4; }
inline unsigned matrix_column(unsigned lane) { return lane / 8 % 2 * 4 + lane % 2 * 2; }

}  // namespace mtl

namespace metal {

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "simdgroup_matrix is 8 by 8");
  static_assert(mtl::is_float<T>, "simdgroup_matrix holds float, half or bfloat");
  using storage_type = vec<T, 2>;

  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    const unsigned lane = mtl::current().lane;
    for (unsigned i = 0; i < 2; ++i) {
      elements[i] = mtl::matrix_row(lane) == mtl::matrix_column(lane) + i ? diagonal : T(0);
    }
  }
  storage_type& thread_elements() { return elements; }
  const storage_type& thread_elements() const { return elements; }

 private:
  storage_type elements;
};

using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <class T, int Columns, int Rows>
inline simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Columns, Rows> result;
  result.thread_elements()[0] = value;
  result.thread_elements()[1] = value;
  return result;
}

template <class T, class U>
inline void simdgroup_load(simdgroup_matrix<T, 8, 8>& matrix, const U* source, ulong elements_per_row = 8, ulong2 origin = 0,
                           bool transpose = false, MTL_CALLER) {
  static_assert(std::is_same_v<T, U>, "simdgroup_load: the pointer has the matrix's type");
  mtl::Thread& self = mtl::current();
  const ulong row = mtl::matrix_row(self.lane), column = mtl::matrix_column(self.lane);
  for (ulong i = 0; i < 2; ++i) {
    const ulong x = origin.x + (transpose ? row : column + i);
    const ulong y = origin.y + (transpose ? column + i : row);
    matrix.thread_elements()[i] = source[y * elements_per_row + x];
  }
  mtl::join_simdgroup(self, MTL_SITE("simdgroup_load"), true);
}

template <class T, class U>
inline void simdgroup_store(const simdgroup_matrix<T, 8, 8>& matrix, U* target, ulong elements_per_row = 8, ulong2 origin = 0,
                            bool transpose = false, MTL_CALLER) {
  static_assert(std::is_same_v<T, U>, "simdgroup_store: the pointer has the matrix's type");
  mtl::Thread& self = mtl::current();
  const ulong row = mtl::matrix_row(self.lane), column = mtl::matrix_column(self.lane);
  for (ulong i = 0; i < 2; ++i) {
    const ulong x = origin.x + (transpose ? row : column + i);
    const ulong y = origin.y + (transpose ? column + i : row);
    target[y * elements_per_row + x] = matrix.thread_elements()[i];
  }
  mtl::join_simdgroup(self, MTL_SITE("simdgroup_store"), true);
}

}  // namespace metal

namespace mtl {

inline void multiply(Simdgroup&, Exchange& exchange) {
  for (unsigned row = 0; row < 8; ++row) {
    float sums[8];
    for (unsigned column = 0; column < 8; ++column) sums[column] = exchange.d[row * 8 + column];
    for (unsigned k = 0; k < 8; ++k) {
      const float a = exchange.a[row * 8 + k];
      for (unsigned column = 0; column < 8; ++column) {
        sums[column] = __builtin_fmaf(a, exchange.b[k * 8 + column], sums[column]);
      }
    }
    for (unsigned column = 0; column < 8; ++column) exchange.d[row * 8 + column] = sums[column];
  }
}

template <class D, class A, class B, class C>
inline metal::vec<D, 2> multiply(metal::vec<A, 2> a, metal::vec<B, 2> b, metal::vec<C, 2> c, const Site& site) {
  Thread& self = current();
  Exchange& exchange = exchange_of(*self.warp);
  const unsigned at = matrix_row(self.lane) * 8 + matrix_column(self.lane);
  for (unsigned i = 0; i < 2; ++i) {
    exchange.a[at + i] = static_cast<float>(a[i]);
    exchange.b[at + i] = static_cast<float>(b[i]);
    exchange.d[at + i] = static_cast<float>(c[i]);
  }
  join_simdgroup<multiply>(self, site, true);
  metal::vec<D, 2> result;
  for (unsigned i = 0; i < 2; ++i) result[i] = D(exchange.d[at + i]);
  return result;
}

}  // namespace mtl

namespace metal {

template <class D, class A, class B>
inline void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b,
                               MTL_CALLER) {
  vec<D, 2> zero(D(0));
  d.thread_elements() =
      mtl::multiply<D, A, B, D>(a.thread_elements(), b.thread_elements(), zero, MTL_SITE("simdgroup_multiply"));
}

template <class D, class A, class B, class C>
inline void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b,
                                          simdgroup_matrix<C, 8, 8> c, MTL_CALLER) {
  d.thread_elements() = mtl::multiply<D, A, B, C>(a.thread_elements(), b.thread_elements(), c.thread_elements(),
                                                  MTL_SITE("simdgroup_multiply_accumulate"));
}

}  // namespace metal
