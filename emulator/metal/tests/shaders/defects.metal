// Kernels that a GPU would not forgive: each must be caught.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void race(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[64];
  values[i] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  values[i] = float(i);
  // No barrier.
  output[i] = values[63 - i];
}

[[kernel]] void race_in_simdgroup(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[64];
  values[i] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  values[i] = float(i);
  output[i] = values[i ^ 1];
}

// Written before all have read.
[[kernel]] void race_write_after_read(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[64];
  values[i] = float(i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float other = values[(i + 32) % 64];
  values[i] = other;
  output[i] = other;
}

[[kernel]] void barrier_of_device_memory(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[64];
  values[i] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  values[i] = float(i);
  threadgroup_barrier(mem_flags::mem_device);
  output[i] = values[63 - i];
}

[[kernel]] void divergent_barrier(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  if (i < 32) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  output[i] = 1;
}

[[kernel]] void divergent_branches(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  if (i % 2 == 0) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    output[i] = 1;
  } else {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    output[i] = 2;
  }
}

[[kernel]] void barrier_after_return(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  if (i == 63) return;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  output[i] = 1;
}

[[kernel]] void divergent_simd_sum(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  float x = 1;
  if (i % 32 < 16) {
    x = simd_sum(x);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  output[i] = x;
}

[[kernel]] void oversized_array(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[8192];
  threadgroup float one_more[1];
  values[i] = 1;
  one_more[0] = 1;
  output[i] = values[i];
}

[[kernel]] void write_behind_buffer(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  output[i + 1] = 1;
}

[[kernel]] void read_before_buffer(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  output[i] = output[int(i) - 1];
}

[[kernel]] void write_far(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  output[ulong(i) << 36] = 1;
}

[[kernel]] void behind_threadgroup_array(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float first[64];
  threadgroup float second[64];
  first[i + 1] = 1;
  second[i] = 1;
  output[i] = 1;
}

[[kernel]] void behind_threadgroup_argument(device float* output [[buffer(0)]], threadgroup float* values [[threadgroup(0)]],
                                            uint i [[thread_index_in_threadgroup]]) {
  values[i + 1] = 1;
  output[i] = 1;
}

[[kernel]] void uninitialised(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[64];
  if (i != 5) {
    values[i] = 1;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  output[i] = values[i];
}

[[kernel]] void uninitialised_sum(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup float values[64];
  values[i] += 1;
  output[i] = values[i];
}

[[kernel]] void uninitialised_half4(device half4* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup half values[256];
  if (i != 63) {
    for (uint j = 0; j < 4; j++) values[4 * i + j] = 1.0h;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const half4 four = ((threadgroup half4*)values)[i];
  if (i % 2 == 1) output[i / 2] = four;
}

[[kernel]] void race_in_device_memory(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  output[i] = float(i);
  output[i] += output[63 - i];
}

[[kernel]] void barrier_of_threadgroup_memory(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  output[i] = float(i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float other = output[63 - i];
  threadgroup_barrier(mem_flags::mem_device);
  output[i] += other;
}

[[kernel]] void overflows_its_stack(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  volatile float frame[28000];
  for (uint j = 0; j < 28000; j++) frame[27999 - j] = float(j);
  output[i] = frame[i];
}

// None of these is a defect.
[[kernel]] void sound_device_memory(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  output[i] = float(i);
  threadgroup_barrier(mem_flags::mem_device);
  const float other = output[63 - i];
  threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
  output[i] += other;
  const float next = output[i];
  simdgroup_barrier(mem_flags::mem_device);
  output[i ^ 1] = next;
}

[[kernel]] void sound(device float* output [[buffer(0)]], threadgroup float* dynamic_memory [[threadgroup(0)]],
                      uint i [[thread_index_in_threadgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float values[64];
  threadgroup atomic_uint count;
  threadgroup float4 fours[16];
  if (i == 0) {
    atomic_store_explicit(&count, 0, memory_order_relaxed);
  }
  values[i] = float(i);
  dynamic_memory[i] = 1;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  float x = values[i ^ 1];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
  x += values[63 - i] + dynamic_memory[(i + 7) % 64];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  values[i] = x;
  if (i < 16) fours[i] = float4(1);
  x = simd_sum(x);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simdgroup == 1) {
    x += simd_max(values[i]) + fours[i % 16].y;
  }
  output[i] = x + float(atomic_load_explicit(&count, memory_order_relaxed));
}

// Half of the last simdgroup returns early: those that stay may still use simdgroup functions.
[[kernel]] void early_return(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  if (i >= 48) return;
  output[i] = simd_sum(1.0f);
}

// How many threads ran before.
[[kernel]] void order(device float* output [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  threadgroup atomic_uint count;
  if (simd_is_first()) atomic_store_explicit(&count, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  output[i] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  output[i] = float(atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
}
