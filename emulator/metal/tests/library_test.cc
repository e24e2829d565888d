// The Metal standard library of the emulator, against arithmetic of its own.

#include <chrono>
#include <cmath>
#include <cstring>

#include "harness.h"

namespace attention::metal::tests {

static std::string launch(Context& context, Device& device, const std::string& function, std::vector<std::shared_ptr<Buffer>> buffers,
                          Size threadgroups, Size threads, std::vector<std::byte> parameters = {},
                          const FunctionConstants& constants = {}) {
  Dispatch dispatch;
  for (const auto& buffer : buffers) dispatch.buffers.push_back({buffer});
  dispatch.parameters = std::move(parameters);
  dispatch.threadgroups = threadgroups;
  dispatch.threads_per_threadgroup = threads;
  return run(context, device, "library", function, dispatch, constants);
}

static void require(const std::string& error) { expect(error.empty(), error); }

/// A value of `mantissa` bits and `exponent` bits, by the definition of IEEE 754.
static double decode(std::uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

static void every_pattern(Context& context, const std::string& function, int exponent_bits, int mantissa_bits) {
  Device& device = context.unchecked;
  std::vector<std::uint16_t> patterns(65536);
  for (int i = 0; i < 65536; ++i) patterns[i] = static_cast<std::uint16_t>(i);
  const auto y = device.make_buffer(65536 * 4), z = device.make_buffer(65536 * 2);
  require(launch(context, device, function, {buffer_of(device, patterns), y, z}, {256, 1, 1}, {256, 1, 1}));
  const auto values = values_of<float>(*y);
  const auto back = values_of<std::uint16_t>(*z);
  for (int i = 0; i < 65536; ++i) {
    const double expected = decode(patterns[i], exponent_bits, mantissa_bits);
    if (std::isnan(expected)) {
      expect(std::isnan(values[i]) && std::isnan(decode(back[i], exponent_bits, mantissa_bits)), "NaN " + std::to_string(i));
    } else {
      expect(values[i] == expected && back[i] == patterns[i], "pattern " + std::to_string(i));
    }
  }
}

METAL_TEST(half_holds_every_pattern) { every_pattern(context, "half_to_float", 5, 10); }
METAL_TEST(bfloat_holds_every_pattern) { every_pattern(context, "bfloat_to_float", 8, 7); }

/// Between any two neighbours: below, at and above the middle.
METAL_TEST(rounds_to_nearest_even) {
  Device& device = context.unchecked;
  std::vector<float> inputs;
  std::vector<std::uint16_t> halves, bfloats;
  const auto add = [&](int exponent_bits, int mantissa_bits, std::vector<std::uint16_t>& expected, std::uint16_t infinity) {
    for (std::uint16_t bits = 0; bits < infinity; ++bits) {
      const double low = decode(bits, exponent_bits, mantissa_bits);
      // What would follow the largest finite one, had the format more exponents.
      const double high = bits + 1 == infinity ? 2 * low - decode(bits - 1, exponent_bits, mantissa_bits)
                                               : decode(bits + 1, exponent_bits, mantissa_bits);
      const auto middle = static_cast<float>((low + high) / 2);
      for (const float x : {std::nextafterf(middle, 0.0f), middle, std::nextafterf(middle, INFINITY)}) {
        const bool up = x > middle || (x == middle && bits % 2 == 1);
        const auto result = static_cast<std::uint16_t>(bits + up);
        inputs.push_back(x);
        expected.push_back(result);
        inputs.push_back(-x);
        expected.push_back(result | 0x8000);
      }
    }
  };
  add(5, 10, halves, 0x7c00);
  const std::size_t first_bfloat = inputs.size();
  // Subnormal floats have no middle between bfloat's: only normal ones are looked at, up to infinity.
  add(8, 7, bfloats, 0x7f80);
  const std::size_t count = inputs.size();
  inputs.resize((count + 255) / 256 * 256);
  const auto y = device.make_buffer(inputs.size() * 2), z = device.make_buffer(inputs.size() * 2);
  require(launch(context, device, "float_to_small", {buffer_of(device, inputs), y, z},
                 {static_cast<std::uint32_t>(inputs.size() / 256), 1, 1}, {256, 1, 1}));
  const auto half_results = values_of<std::uint16_t>(*y), bfloat_results = values_of<std::uint16_t>(*z);
  for (std::size_t i = 0; i < count; ++i) {
    const bool half = i < first_bfloat;
    const std::uint16_t expected = half ? halves[i] : bfloats[i - first_bfloat];
    const std::uint16_t received = half ? half_results[i] : bfloat_results[i];
    expect(received == expected, std::to_string(inputs[i]) + ": " + std::to_string(received) + ", not " + std::to_string(expected));
  }
}

METAL_TEST(half_operators_round_once) {
  Device& device = context.checked;
  std::vector<std::uint16_t> x;
  for (int i = 0; i < 512; ++i) x.push_back(static_cast<std::uint16_t>(i * 30011 % 0x7b00));
  const auto y = device.make_buffer(256 * 8);
  require(launch(context, device, "half_arithmetic", {buffer_of(device, x), y}, {1, 1, 1}, {256, 1, 1}));
  const auto results = values_of<std::uint16_t>(*y);
  for (int i = 0; i < 256; ++i) {
    const double a = decode(x[2 * i], 5, 10), b = decode(x[2 * i + 1], 5, 10);
    const double exact[4] = {a + b, a - b, a * b, a / b};
    for (int j = 0; j < 4; ++j) {
      const double received = decode(results[4 * i + j], 5, 10);
      if (std::isnan(exact[j])) continue;
      if (std::fabs(exact[j]) >= 65520) {
        expect(std::isinf(received), "overflow");
        continue;
      }
      const double ulp = std::fmax(std::ldexp(1.0, std::ilogb(std::fmax(std::fabs(exact[j]), 1e-30)) - 10), std::ldexp(1.0, -24));
      expect(std::fabs(received - exact[j]) <= ulp / 2, "operator " + std::to_string(j) + " of pair " + std::to_string(i));
    }
  }
}

METAL_TEST(vectors_and_math) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    const std::vector<float> expected = {11, 14, 3, 1, -1, 2, 4, 14, 3, 12, 1016, 2, 2, 1, 0, 8 + 31 + 3, 10, 0.5f, 2,
                                         8 + 2 + 2, 1, 2, 65504, 5 + 3.5f};
    const auto y = device->make_buffer(expected.size() * 4);
    require(launch(context, *device, "vectors", {y}, {1, 1, 1}, {1, 1, 1}, bytes_of(std::array<float, 4>{1, 2, 3, 0})));
    const auto received = values_of<float>(*y);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expect(received[i] == expected[i], "value " + std::to_string(i) + ": " + std::to_string(received[i]));
    }
  }
}

METAL_TEST(simdgroup_functions) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    const auto y = device->make_buffer(18 * 32 * 4);
    require(launch(context, *device, "simd", {y}, {1, 1, 1}, {32, 1, 1}));
    const auto received = values_of<std::int32_t>(*y);
    for (int lane = 0; lane < 32; ++lane) {
      const int x = lane + 1;
      const int expected[18] = {528, 32, 1, 32 - lane, (lane ^ 5) + 1, lane + 3 < 32 ? x + 3 : x, lane >= 3 ? x - 3 : x, 8,
                                x * (x + 1) / 2, x * (x - 1) / 2, 0xffff00, 1, 0, lane == 0, 1, 96 + 32, 32,
                                (lane + 1) % 32 + 1};
      for (int i = 0; i < 18; ++i) {
        expect(received[32 * i + lane] == expected[i],
               "function " + std::to_string(i) + ", lane " + std::to_string(lane) + ": " + std::to_string(received[32 * i + lane]));
      }
    }
  }
}

METAL_TEST(matrices) {
  const auto bfloat = [](float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return static_cast<std::uint16_t>(bits >> 16);
  };
  const auto half = [](float x) {  // of small integers
    for (int bits = 0; bits < 65536; ++bits) {
      if (decode(static_cast<std::uint16_t>(bits), 5, 10) == x) return static_cast<std::uint16_t>(bits);
    }
    return std::uint16_t{0};
  };
  std::vector<float> a(8 * 16), b(8 * 16);
  for (int i = 0; i < 128; ++i) {
    a[i] = static_cast<float>(i * 7 % 11 - 5);
    b[i] = static_cast<float>(i * 5 % 13 - 6);
  }
  for (Device* device : {&context.checked, &context.unchecked}) {
    for (const std::string type : {"float", "half", "bfloat"}) {
      const auto input = [&](const std::vector<float>& x) {
        if (type == "float") return buffer_of(*device, x);
        std::vector<std::uint16_t> small;
        for (const float v : x) small.push_back(type == "half" ? half(v) : bfloat(v));
        return buffer_of(*device, small);
      };
      const auto c = device->make_buffer(64 * 4);
      require(launch(context, *device, "multiply_" + type, {input(a), input(b), c}, {1, 1, 1}, {32, 1, 1}));
      const auto received = values_of<float>(*c);
      for (int row = 0; row < 8; ++row) {
        for (int column = 0; column < 8; ++column) {
          float sum = 1;
          for (int k = 0; k < 16; ++k) sum += a[row * 16 + k] * b[column * 16 + k];
          expect(received[row * 8 + column] == sum, type + " element " + std::to_string(row * 8 + column));
        }
      }
    }
    const auto y = device->make_buffer(256);
    require(launch(context, *device, "placement", {y}, {1, 1, 1}, {32, 1, 1}));
    const auto placed = values_of<float>(*y);
    const std::vector<float> first = {0, 1, 2, 3, 16, 17, 18, 19}, fifth = {32, 33, 34, 35, 48, 49, 50, 51};
    for (int i = 0; i < 8; ++i) expect(placed[i] == first[i] && placed[32 + i] == fifth[i], "placement " + std::to_string(i));
    // Both write the same elements.
    const std::string error = launch(context, *device, "placement", {y}, {1, 1, 1}, {32, 2, 1});
    expect(device == &context.unchecked ? error.empty() : error.find("race: ") != std::string::npos, "two simdgroups");
  }
}

METAL_TEST(atomics) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    const auto counts = buffer_of(*device, std::vector<std::uint32_t>(7, 0));
    const auto sum = buffer_of(*device, std::vector<float>(1, 0));
    require(launch(context, *device, "atomics", {counts, sum}, {30, 1, 1}, {100, 1, 1}));
    expect(values_of<std::uint32_t>(*counts) == std::vector<std::uint32_t>({1000, 1000, 1000, 2999, 0xffffffffu, 3000, 1}), "counts");
    expect(values_of<float>(*sum)[0] == 1500, "sum");
  }
}

METAL_TEST(positions) {
  Device& device = context.checked;
  const std::uint32_t nx = 3 * 5, ny = 2 * 7, nz = 2;
  const auto y = device.make_buffer(nx * ny * nz * 4);
  require(launch(context, device, "positions", {y}, {3, 2, 2}, {5, 7, 1}));
  const auto received = values_of<std::uint32_t>(*y);
  for (std::uint32_t i = 0; i < nx * ny * nz; ++i) {
    const std::uint32_t x = i % nx, row = i / nx % ny, z = i / nx / ny;
    const std::uint32_t lane = (row % 7 * 5 + x % 5) % 32;
    expect(received[i] == ((z * 2 + row / 7) * 3 + x / 5) * 10000 + row % 7 * 1000 + x % 5 * 100 + lane, "thread " + std::to_string(i));
  }
}

METAL_TEST(function_constants) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    const auto y = device->make_buffer(20);
    const auto x = buffer_of(*device, std::vector<float>{42});
    require(launch(context, *device, "constants", {y}, {1, 1, 1}, {1, 1, 1}));
    expect(values_of<float>(*y) == std::vector<float>({-1, 1, 2, -1, 2.25f}), "none");
    require(launch(context, *device, "constants", {y, x}, {1, 1, 1}, {1, 1, 1}, {},
                   {{"present", true}, {"factor", 1.5}, {"count", std::int64_t{7}}}));
    expect(values_of<float>(*y) == std::vector<float>({42, 1.5f, 3, 7, 2.25f}), "all");
    require(launch(context, *device, "constants", {y}, {1, 1, 1}, {1, 1, 1}));
    expect(values_of<float>(*y) == std::vector<float>({-1, 1, 2, -1, 2.25f}), "none again");
    expect(!launch(context, *device, "constants", {y}, {1, 1, 1}, {1, 1, 1}, {}, {{"present", true}}).empty(), "not bound");
  }
}

METAL_TEST(many_switches) {
  Device& device = context.unchecked;
  const auto y = device.make_buffer(256 * 4);
  const auto begin = std::chrono::steady_clock::now();
  require(launch(context, device, "switches", {y}, {1, 1, 1}, {256, 1, 1}, bytes_of(std::uint32_t{20000})));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("     %.0f million switches a second\n", 256 * 20000 / seconds / 1e6);
}

}  // namespace attention::metal::tests
