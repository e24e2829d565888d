#include <metal_stdlib>
using namespace metal;

// Every bit pattern to float and back.
[[kernel]] void half_to_float(device const half* x [[buffer(0)]], device float* y [[buffer(1)]], device half* z [[buffer(2)]],
                              uint i [[thread_position_in_grid]]) {
  y[i] = float(x[i]);
  z[i] = half(y[i]);
}

[[kernel]] void bfloat_to_float(device const bfloat* x [[buffer(0)]], device float* y [[buffer(1)]],
                                device bfloat* z [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  y[i] = float(x[i]);
  z[i] = bfloat(y[i]);
}

[[kernel]] void float_to_small(device const float* x [[buffer(0)]], device half* y [[buffer(1)]], device bfloat* z [[buffer(2)]],
                               uint i [[thread_position_in_grid]]) {
  y[i] = half(x[i]);
  z[i] = static_cast<bfloat>(x[i]);
}

// Operators round after each operation.
[[kernel]] void half_arithmetic(device const half* x [[buffer(0)]], device half* y [[buffer(1)]],
                                uint i [[thread_position_in_grid]]) {
  const half a = x[2 * i], b = x[2 * i + 1];
  half4 v = half4(a + b, a - b, a * b, a / b);
  v.xy = v.xy + half2(0);
  for (uint j = 0; j < 4; j++) y[4 * i + j] = v[j];
}

[[kernel]] void vectors(device float* y [[buffer(0)]], constant float3& v [[buffer(1)]]) {
  uint n = 0;
  float4 a = float4(v, 4);
  float2 b = a.zx;
  int2 c = int2(float2(-1.5, 2.5));
  half4 h = half4(a);
  a.xw += float2(10);
  packed_float3 p = packed_float3(v);
  y[n++] = a.x;
  y[n++] = a.w;
  y[n++] = b.x;
  y[n++] = b.y;
  y[n++] = float(c.x);
  y[n++] = float(c.y);
  y[n++] = float(h.w);
  y[n++] = dot(v, float3(1, 2, 3));
  y[n++] = float3(p).z;
  y[n++] = float(sizeof(packed_float3));
  y[n++] = float(as_type<uint>(1.0f) >> 20);
  y[n++] = select(1.0f, 2.0f, true);
  y[n++] = select(float2(1), float2(2), float2(1, 3) < float2(2)).x;
  y[n++] = clamp(5.0f, 0.0f, 1.0f);
  y[n++] = float(any(a > float4(100)));
  y[n++] = float(popcount(255u)) + float(clz(1u)) + float(ctz(8u));
  y[n++] = fma(2.0f, 3.0f, 4.0f);
  y[n++] = 1 / 2.0;
  y[n++] = float(1.5h) + float(0.5bf);
  y[n++] = fast::exp2(3.0f) + precise::rsqrt(0.25f) + metal::max(1.0f, 2.0f);
  y[n++] = isnan(NAN) && isinf(INFINITY) ? 1.0f : 0.0f;
  y[n++] = float(mulhi(0x80000000u, 4u));
  y[n++] = float(numeric_limits<half>::max());
  y[n++] = max3(1.0f, 5.0f, 2.0f) + min(float2(3, 4), 3.5f).y;
}

[[kernel]] void simd(device int* y [[buffer(0)]], uint lane [[thread_index_in_simdgroup]]) {
  const int x = int(lane) + 1;
  uint n = 0;
  y[32 * n++ + lane] = simd_sum(x);
  y[32 * n++ + lane] = simd_max(x);
  y[32 * n++ + lane] = simd_min(x);
  y[32 * n++ + lane] = simd_shuffle(x, ushort(31 - lane));
  y[32 * n++ + lane] = simd_shuffle_xor(x, 5);
  y[32 * n++ + lane] = simd_shuffle_down(x, 3);
  y[32 * n++ + lane] = simd_shuffle_up(x, 3);
  y[32 * n++ + lane] = simd_broadcast(x, 7);
  y[32 * n++ + lane] = simd_prefix_inclusive_sum(x);
  y[32 * n++ + lane] = simd_prefix_exclusive_sum(x);
  y[32 * n++ + lane] = int(uint(ulong(simd_ballot(x > 16)) >> 8));
  y[32 * n++ + lane] = simd_any(x == 9) ? 1 : 0;
  y[32 * n++ + lane] = simd_all(x > 1) ? 1 : 0;
  y[32 * n++ + lane] = simd_is_first() ? 1 : 0;
  y[32 * n++ + lane] = simd_broadcast_first(x);
  y[32 * n++ + lane] = int(simd_sum(float4(x, 1, 2, 3)).w) + int(simd_max(half(x)));
  y[32 * n++ + lane] = simd_xor(x);
  y[32 * n++ + lane] = simd_shuffle_rotate_down(x, 1);
}

template <typename T>
[[kernel]] void multiply(device const T* a [[buffer(0)]], device const T* b [[buffer(1)]], device float* c [[buffer(2)]]) {
  simdgroup_matrix<T, 8, 8> left, right;
  simdgroup_float8x8 sum = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
  for (uint k = 0; k < 16; k += 8) {
    simdgroup_load(left, a + k, 16);
    simdgroup_load(right, b, 16, ulong2(k, 0), true);
    simdgroup_multiply_accumulate(sum, left, right, sum);
  }
  simdgroup_store(sum, c, 8);
}
#define instantiate_multiply(type) \
  template [[host_name("multiply_" #type)]] [[kernel]] decltype(multiply<type>) multiply<type>;
instantiate_multiply(float)
instantiate_multiply(half)
instantiate_multiply(bfloat)

// Where the elements are.
[[kernel]] void placement(device float* y [[buffer(0)]], uint lane [[thread_index_in_simdgroup]]) {
  simdgroup_float8x8 m;
  m.thread_elements()[0] = float(2 * lane);
  m.thread_elements()[1] = float(2 * lane + 1);
  simdgroup_store(m, y);
}

[[kernel]] void atomics(device atomic_uint* counts [[buffer(0)]], device atomic_float* sum [[buffer(1)]],
                        uint i [[thread_position_in_grid]], uint n [[threads_per_grid]]) {
  atomic_fetch_add_explicit(&counts[i % 3], 1, memory_order_relaxed);
  atomic_fetch_max_explicit(&counts[3], i, memory_order_relaxed);
  atomic_fetch_or_explicit(&counts[4], 1u << (i % 32), memory_order_relaxed);
  atomic_fetch_add_explicit(sum, 0.5f, memory_order_relaxed);
  uint expected = 0;
  if (atomic_compare_exchange_weak_explicit(&counts[5], &expected, n, memory_order_relaxed, memory_order_relaxed)) {
    atomic_fetch_add_explicit(&counts[6], 1, memory_order_relaxed);
  }
}

[[kernel]] void positions(device uint* y [[buffer(0)]], uint3 position [[thread_position_in_grid]], uint3 size [[threads_per_grid]],
                          uint3 group [[threadgroup_position_in_grid]], ushort2 thread_position [[thread_position_in_threadgroup]],
                          ushort lane [[thread_index_in_simdgroup]], uint3 groups [[threadgroups_per_grid]]) {
  const uint at = (position.z * size.y + position.y) * size.x + position.x;
  y[at] = ((group.z * groups.y + group.y) * groups.x + group.x) * 10000 + thread_position.y * 1000 + thread_position.x * 100 + lane;
}

constant bool present [[function_constant(3)]];
constant float factor [[function_constant(7)]];
constant uint count [[function_constant(8)]];
constant float used_factor = is_function_constant_defined(factor) ? factor : 1.0;
constant float used_twice = used_factor * 2.0;
constant constexpr int table[3] = {1, 2, 3};
constant float plain = 0.25;

[[kernel]] void constants(device float* y [[buffer(0)]], device const float* x [[buffer(1), function_constant(present)]]) {
  y[0] = present ? x[0] : -1;
  y[1] = used_factor;
  y[2] = used_twice;
  y[3] = is_function_constant_defined(count) ? float(count) : -1.0f;
  y[4] = float(table[1]) + plain;
}

// For measuring: switches between threads.
[[kernel]] void switches(device float* y [[buffer(0)]], constant uint& rounds [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  for (uint round = 0; round < rounds; round++) {
    threadgroup_barrier(mem_flags::mem_none);
  }
  y[i] = 1;
}
