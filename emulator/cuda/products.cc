// Products of a warpgroup (wgmma). A product is computed when a warp waits for it, from what shared memory holds then.

#include <algorithm>
#include <cstring>

#include "hopper.h"
#include "symbols.h"

namespace attention::emulator {

namespace {

constexpr int depth = 16;
constexpr int warp_rows = 16;
constexpr uint32_t poison = 0x7fbadbad;  // a NaN: sums that are under way

float poisoned() { return std::bit_cast<float>(poison); }

std::string name_of(const Site& site) { return std::string(site.function) + " (" + place(site.file, site.line) + ")"; }

Warpgroup& warpgroup_of(const Thread& thread) {
  return hopper().warpgroups[thread.warp->index / warpgroup_warps];
}

float widen(uint16_t bits, bool is_bfloat16) {
  return is_bfloat16 ? bfloat16_to_float(bits) : float16_to_float(bits);
}

template <typename Body>
void for_chunks(const Matrix& matrix, Body&& body) {
  if (matrix.is_transposed) {
    for (int k = 0; k < depth; k++) {
      for (int row = 0; row < matrix.rows; row += 8) body(chunk_of(matrix, row, k));
    }
  } else {
    for (int row = 0; row < matrix.rows; row++) {
      for (int k = 0; k < depth; k += 8) body(chunk_of(matrix, row, k));
    }
  }
}

Matrix matrix_a(const Product& product) { return {product.a, false, 64}; }
Matrix matrix_b(const Product& product) { return {product.b, product.is_b_transposed, product.columns}; }

void check_matrix(const Matrix& matrix, const Site& site) {
  const unsigned mode = unsigned(matrix.descriptor >> 62);
  if (mode != 1) fail(site, "expected a descriptor of a matrix that is swizzled by 128 bytes");
  if (((matrix.descriptor & 0x3fff) << 4 >> 7) % 8) {
    fail(site, "expected a matrix whose groups of 8 rows begin at multiples of 1024 bytes");
  }
  const void* unfenced = nullptr;
  for_chunks(matrix, [&](const uint16_t* chunk) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(chunk);
    if (!chunk) fail(site, "expected a matrix within the block's dynamic shared memory");
    hopper().check_read(bytes, 16, site);
    if (block.checked && !unfenced) unfenced = hopper().unfenced_write(bytes, 16);
  });
  if (unfenced) {
    const std::string text = "reads what a thread wrote (" + locate(static_cast<const char*>(unfenced) - 1) +
                             ") without fence_async_proxy after it";
    fail(site, text.c_str());
  }
}

/// Starts the product of a warpgroup, whose 128 threads have come.
void start(Thread* threads, const Site& site, const void* instruction) {
  const auto operands_of = [&](int i) -> const ProductOperands& {
    return *static_cast<const ProductOperands*>(threads[i].operands);
  };
  Warpgroup& warpgroup = warpgroup_of(threads[0]);
  const ProductOperands& first = operands_of(0);
  for (int i = 1; i < 128; i++) {
    const ProductOperands& own = operands_of(i);
    if (own.a != first.a || own.b != first.b || own.add != first.add) {
      fail(site, "threads of the warpgroup name different matrices");
    }
  }
  for (unsigned w = 0; w < warpgroup_warps; w++) {
    if (!warpgroup.begun[w]) fail(site, "expected begin_products before, since the last wait_for_products");
    if (warpgroup.commits[w] != warpgroup.commits[0]) fail(site, "warps of the warpgroup have committed different groups");
  }
  Product product{};
  product.a = first.a;
  product.b = first.b;
  product.add = first.add;
  product.is_bfloat16 = first.is_bfloat16;
  product.is_b_transposed = first.is_b_transposed;
  product.columns = first.columns;
  product.group = warpgroup.commits[0];
  product.place = site;
  if (!first.a_registers) check_matrix(matrix_a(product), site);
  check_matrix(matrix_b(product), site);
  const auto note = [&](const uint16_t* chunk) {
    const auto* at = reinterpret_cast<const unsigned char*>(chunk);
    product.begin = product.begin ? std::min(product.begin, at) : at;
    product.end = std::max(product.end, at + 16);
  };
  if (!first.a_registers) for_chunks(matrix_a(product), note);
  for_chunks(matrix_b(product), note);
  if (block.checked) {
    const auto tell = [&](const uint16_t* chunk) { accessed_in_background(chunk, 16, false, instruction); };
    if (!first.a_registers) for_chunks(matrix_a(product), tell);
    for_chunks(matrix_b(product), tell);
  }
  if (first.a_registers) {
    product.a_values.resize(128 * 4);
    for (int i = 0; i < 128; i++) {
      product.a_registers[i] = operands_of(i).a_registers;
      std::memcpy(&product.a_values[i * 4], product.a_registers[i], 16);
    }
  }
  for (Product& other : warpgroup.products) {
    if (other.sums->registers[0] == first.d) product.sums = other.sums;
  }
  const int per_thread = first.columns / 2;
  if (!product.sums) {
    product.sums = std::make_shared<Sums>();
    product.sums->per_thread = per_thread;
    product.sums->values.resize(size_t(128 * per_thread));
    for (int i = 0; i < 128; i++) {
      float* d = product.sums->registers[i] = operands_of(i).d;
      std::memcpy(&product.sums->values[size_t(i * per_thread)], d, size_t(per_thread) * sizeof(float));
      std::fill_n(d, per_thread, poisoned());
    }
  } else if (product.sums->per_thread != per_thread) {
    fail(site, "adds to sums of another shape that are under way");
  }
  for (int& count : product.sums->products) count++;
  warpgroup.products.push_back(std::move(product));
  if (block.checked) grid().watch_nan(poison, "a sum of a product before wait_for_products");
  hopper().used = true;
}

/// The rows of one warp.
void compute(const Product& product, unsigned warp) {
  const int columns = product.columns;
  float a[warp_rows][depth];
  static thread_local float b[depth][256];
  static thread_local float d[warp_rows][256];
  Sums& sums = *product.sums;
  float* values = &sums.values[size_t(warp * warp_lanes) * size_t(sums.per_thread)];
  if (product.a_values.empty()) {
    const Matrix matrix = matrix_a(product);
    for (int row = 0; row < warp_rows; row++) {
      for (int k = 0; k < depth; k++) {
        a[row][k] = widen(chunk_of(matrix, int(warp) * warp_rows + row, k / 8 * 8)[k % 8], product.is_bfloat16);
      }
    }
  } else {
    for (unsigned lane = 0; lane < warp_lanes; lane++) {
      const uint32_t* own = &product.a_values[(warp * warp_lanes + lane) * 4];
      for (unsigned i = 0; i < 4; i++) {
        float* pair = &a[lane / 4 + i % 2 * 8][lane % 4 * 2 + i / 2 * 8];
        pair[0] = widen(uint16_t(own[i]), product.is_bfloat16);
        pair[1] = widen(uint16_t(own[i] >> 16), product.is_bfloat16);
      }
    }
  }
  const Matrix matrix = matrix_b(product);
  if (matrix.is_transposed) {
    for (int k = 0; k < depth; k++) {
      for (int n = 0; n < columns; n += 8) {
        const uint16_t* chunk = chunk_of(matrix, n, k);
        for (int i = 0; i < 8; i++) b[k][n + i] = widen(chunk[i], product.is_bfloat16);
      }
    }
  } else {
    for (int n = 0; n < columns; n++) {
      for (int k = 0; k < depth; k++) b[k][n] = widen(chunk_of(matrix, n, k / 8 * 8)[k % 8], product.is_bfloat16);
    }
  }
  // d[4 j + i] of a lane is column 8 j + 2 (lane % 4) + i % 2 of row lane / 4 + 8 (i / 2).
  const auto exchange = [&](auto&& body) {
    for (int lane = 0; lane < int(warp_lanes); lane++) {
      for (int i = 0; i < sums.per_thread; i++) {
        body(values[lane * sums.per_thread + i], d[lane / 4 + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2]);
      }
    }
  };
  exchange([&](float& own, float& element) { element = product.add ? own : 0.0f; });
  for (int row = 0; row < warp_rows; row++) {
    for (int k = 0; k < depth; k++) {
      for (int n = 0; n < columns; n++) d[row][n] += a[row][k] * b[k][n];
    }
  }
  exchange([&](float& own, float& element) { own = element; });
}

/// Gives a warp what its threads have waited for.
void finish(Product& product, unsigned warp, const Site& site) {
  Sums& sums = *product.sums;
  for (unsigned i = warp * warp_lanes; i < (warp + 1) * warp_lanes && !product.a_values.empty(); i++) {
    if (std::memcmp(&product.a_values[i * 4], product.a_registers[i], 16) != 0) {
      const std::string text = "a thread overwrote the registers of a of " + name_of(product.place) + " before";
      fail(site, text.c_str());
    }
  }
  compute(product, warp);
  product.done |= 1u << warp;
  if (--sums.products[warp]) return;
  for (unsigned i = warp * warp_lanes; i < (warp + 1) * warp_lanes; i++) {
    float* d = sums.registers[i];
    for (int j = 0; j < sums.per_thread; j++) {
      if (std::bit_cast<uint32_t>(d[j]) != poison) {
        const std::string text = "a thread overwrote sums of " + name_of(product.place) + " before";
        fail(site, text.c_str());
      }
      d[j] = sums.values[i * unsigned(sums.per_thread) + unsigned(j)];
    }
  }
}

/// Waits for the lanes of the warp, which do one thing together.
template <typename Body>
void with_warp(const Site& site, Body body) {
  struct Operands {
    Body* body;
  } own{&body};
  join_warp(
      ~0u, &own, [](Warp& warp, unsigned) { (*operands<Operands>(warp, 0)->body)(warp); }, site);
}

}  // namespace

const uint16_t* chunk_of(const Matrix& matrix, int row, int inner) {
  constexpr uint32_t width = 128;
  const auto start = uint32_t(matrix.descriptor & 0x3fff) << 4;
  const auto next_columns = uint32_t(matrix.descriptor >> 16 & 0x3fff) << 4;
  const auto next_rows = uint32_t(matrix.descriptor >> 32 & 0x3fff) << 4;
  uint32_t offset = start;
  if (matrix.is_transposed) {
    constexpr int group = width / sizeof(uint16_t);
    offset += uint32_t(row / group) * next_columns + uint32_t(inner / 8) * next_rows + uint32_t(inner % 8) * width +
              uint32_t(row % group) * sizeof(uint16_t);
  } else {
    offset += uint32_t(row / 8) * next_rows + uint32_t(row % 8) * width + uint32_t(inner) * sizeof(uint16_t);
  }
  offset = swizzle(offset, width);
  if (offset + 16 > block.shared_bytes) return nullptr;
  return reinterpret_cast<const uint16_t*>(block.shared + offset);
}

const Product* Hopper::product_of(const unsigned char* begin, size_t bytes) const {
  for (const Warpgroup& warpgroup : warpgroups) {
    for (const Product& product : warpgroup.products) {
      if (begin >= product.end || begin + bytes <= product.begin) continue;
      bool meets = false;
      const auto compare = [&](const uint16_t* chunk) {
        const auto* at = reinterpret_cast<const unsigned char*>(chunk);
        meets |= at < begin + bytes && begin < at + 16;
      };
      if (product.a_values.empty()) for_chunks(matrix_a(product), compare);
      for_chunks(matrix_b(product), compare);
      if (meets) return &product;
    }
  }
  return nullptr;
}

void begin_products(const Site& site) {
  with_warp(site, [](Warp& warp) {
    warpgroup_of(*warp.first).begun[warp.index % warpgroup_warps] = true;
    hopper().used = true;
  });
}

void start_product(const ProductOperands& operands, const Site& site) {
  struct Own {
    ProductOperands operands;  // first: what the others read
    const Site* site;
    const void* instruction;
  } own{operands, &site, __builtin_return_address(0)};
  join_warpgroup(
      &own,
      [](Thread* threads) {
        const Own& last = *static_cast<const Own*>(current().operands);
        start(threads, *last.site, last.instruction);
      },
      site);
}

void commit_products(const Site& site) {
  with_warp(site, [](Warp& warp) { warpgroup_of(*warp.first).commits[warp.index % warpgroup_warps]++; });
}

void wait_for_products(int pending, const Site& site) {
  with_warp(site, [&site, pending](Warp& warp) {
    Warpgroup& warpgroup = warpgroup_of(*warp.first);
    const unsigned index = warp.index % warpgroup_warps;
    warpgroup.begun[index] = false;
    for (auto product = warpgroup.products.begin(); product != warpgroup.products.end();) {
      const bool awaited = product->group + unsigned(pending) < warpgroup.commits[index];
      if (awaited && !(product->done >> index & 1)) finish(*product, index, site);
      product = product->done == 0xf ? warpgroup.products.erase(product) : std::next(product);
    }
    if (block.checked && hopper().has_no_products()) grid().watch_no_nan();
  });
}

}  // namespace attention::emulator
