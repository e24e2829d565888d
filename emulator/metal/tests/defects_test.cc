// What a GPU would not forgive is caught, and named; sound shaders are left alone.

#include "harness.h"

namespace attention::metal::tests {

static std::string runDefect(Context& context, Device& device, const std::string& function, std::vector<float>* result = nullptr) {
  const auto output = bufferOf(device, std::vector<float>(64, 0.0f));
  Dispatch dispatch;
  dispatch.buffers = {{output}};
  dispatch.threadgroup_bytes = {256};
  dispatch.threads_per_threadgroup = {64, 1, 1};
  const std::string error = run(context, device, "defects", function, dispatch);
  if (result) *result = valuesOf<float>(*output);
  return error;
}

static void expectCaught(Context& context, Device& device, const std::string& function, const std::vector<std::string>& parts) {
  const std::string error = runDefect(context, device, function);
  expect(!error.empty(), function + " was not caught");
  expect(error.rfind("defects: " + function + ": threadgroup (0, 0, 0), thread (", 0) == 0, "no place in: " + error);
  for (const std::string& part : parts) expect(error.find(part) != std::string::npos, "no '" + part + "' in: " + error);
}

METAL_TEST(catches_races) {
  expectCaught(context, context.checked, "race", {"race: writes 4 bytes", "which thread 31", "(defects.metal:9)"});
  expectCaught(context, context.checked, "race_in_simdgroup", {"race: "});
  expectCaught(context, context.checked, "race_write_after_read", {"race: "});
  expectCaught(context, context.checked, "barrier_of_device_memory", {"race: "});
}

METAL_TEST(catches_divergence) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expectCaught(context, *device, "divergent_barrier", {"diverged: ", "threadgroup_barrier of line 43"});
    expectCaught(context, *device, "divergent_branches", {"threadgroup_barrier of line 50", "threadgroup_barrier of line 53"});
    expectCaught(context, *device, "barrier_after_return", {"not reached by all threads"});
    expectCaught(context, *device, "divergent_simd_sum", {"simd_sum of line 67", "threadgroup_barrier of line 69"});
  }
}

METAL_TEST(catches_too_much_threadgroup_memory) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expectCaught(context, *device, "oversized_array", {"more than 32768"});
    Dispatch dispatch;
    dispatch.buffers = {{device->make_buffer(256)}};
    dispatch.threadgroup_bytes = {32784};
    dispatch.threads_per_threadgroup = {64, 1, 1};
    const std::string error = run(context, *device, "defects", "behind_threadgroup_argument", dispatch);
    expect(error.find("32784 bytes, more than 32768") != std::string::npos, error);
  }
}

METAL_TEST(catches_accesses_out_of_bounds) {
  Device& device = context.checked;
  expectCaught(context, device, "write_behind_buffer",
               {"thread (63, 0, 0)", "writes 4 bytes, 0 bytes behind the end of buffer 0, whose length is 256"});
  expectCaught(context, device, "read_before_buffer", {"thread (0, 0, 0)", "reads 4 bytes", "before the start of buffer 0"});
  expectCaught(context, device, "write_far", {"thread (1, 0, 0)", "writes 4 bytes"});
  expectCaught(context, device, "behind_threadgroup_array", {"thread (63, 0, 0)", "outside the arrays in threadgroup memory"});
  expectCaught(context, device, "behind_threadgroup_argument", {"thread (63, 0, 0)", "outside the arrays in threadgroup memory"});
}

METAL_TEST(catches_uninitialised_reads) {
  Device& device = context.checked;
  expectCaught(context, device, "uninitialised", {"thread (5, 0, 0)", "uninitialised: reads 4 bytes"});
  expectCaught(context, device, "uninitialised_sum", {"thread (0, 0, 0)", "uninitialised: reads 4 bytes"});
  expectCaught(context, device, "uninitialised_half4", {"thread (63, 0, 0)", "uninitialised: reads 8 bytes"});
  std::vector<float> result;
  expect(runDefect(context, context.unchecked, "uninitialised", &result).empty(), "unchecked");
  expect(result[5] != result[5] && result[4] == 1, "unwritten threadgroup memory reads as NaN where it is not checked");
}

METAL_TEST(leaves_sound_shaders_alone) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    std::vector<float> result;
    std::string error = runDefect(context, *device, "sound", &result);
    expect(error.empty(), error);
    // The sum over a simdgroup of (i ^ 1) + (63 - i) + 1, for the second one its maximum and 1, and the count.
    expect(result[0] == 2048 + 64 && result[63] == 2048 + 65 + 1 + 64, "sound");
    error = runDefect(context, *device, "early_return", &result);
    expect(error.empty(), error);
    expect(result[0] == 32 && result[32] == 16 && result[47] == 16 && result[48] == 0, "simd_sum over the threads that stayed");
  }
}

METAL_TEST(recovers_after_an_error) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expect(!runDefect(context, *device, "divergent_barrier").empty(), "the defect");
    expect(runDefect(context, *device, "sound").empty(), "the sound shader after it");
  }
}

METAL_TEST(names_what_is_not_bound) {
  Dispatch dispatch;
  dispatch.threads_per_threadgroup = {64, 1, 1};
  std::string error = run(context, context.checked, "defects", "race", dispatch);
  expect(error.find("defects: race: [[buffer(0)]] is not bound") == 0, error);
  dispatch.buffers = {{context.checked.make_buffer(256)}};
  error = run(context, context.checked, "defects", "sound", dispatch);
  expect(error.find("[[threadgroup(0)]] has no length") != std::string::npos, error);
  error = run(context, context.checked, "defects", "absent", dispatch);
  expect(error.find("there is no kernel absent") != std::string::npos, error);
  error = run(context, context.checked, "defects", "race", dispatch, {{"absent", true}});
  expect(error.find("no function constant absent") != std::string::npos, error);
  dispatch.threads_per_threadgroup = {1025, 1, 1};
  error = run(context, context.checked, "defects", "race", dispatch);
  expect(error.find("1025 threads") != std::string::npos, error);
}

}  // namespace attention::metal::tests
