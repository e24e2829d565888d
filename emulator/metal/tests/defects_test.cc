// What a GPU would not forgive is caught, and named; sound shaders are left alone.

#include "harness.h"

namespace attention::metal::tests {

static std::string run_defect(Context& context, Device& device, const std::string& function, std::vector<float>* result = nullptr) {
  const auto output = buffer_of(device, std::vector<float>(64, 0.0f));
  Dispatch dispatch;
  dispatch.buffers = {{output}};
  dispatch.threadgroup_bytes = {256};
  dispatch.threads_per_threadgroup = {64, 1, 1};
  const std::string error = run(context, device, "defects", function, dispatch);
  if (result) *result = values_of<float>(*output);
  return error;
}

static void expect_caught(Context& context, Device& device, const std::string& function, const std::vector<std::string>& parts) {
  const std::string error = run_defect(context, device, function);
  expect(!error.empty(), function + " was not caught");
  expect(error.rfind("defects: " + function + ": ", 0) == 0, "no kernel in: " + error);
  expect(error.find(" [threadgroup (0, 0, 0) of (1, 1, 1)") != std::string::npos, "no place in: " + error);
  for (const std::string& part : parts) expect(error.find(part) != std::string::npos, "no '" + part + "' in: " + error);
}

METAL_TEST(catches_races) {
  expect_caught(context, context.checked, "race", {"race: a thread writes 4 bytes of threadgroup memory (defects.metal:9)", "reads (defects.metal:11) with no barrier between"});
  expect_caught(context, context.checked, "race_in_simdgroup", {"race: "});
  expect_caught(context, context.checked, "race_write_after_read", {"race: "});
  expect_caught(context, context.checked, "barrier_of_device_memory", {"race: "});
}

METAL_TEST(catches_races_in_device_memory) {
  expect_caught(context, context.checked, "race_in_device_memory",
                {"4 bytes of buffer 0 (defects.metal:", "with no barrier between"});
  expect_caught(context, context.checked, "barrier_of_threadgroup_memory", {"race: ", " of buffer 0"});
  std::vector<float> result;
  const std::string error = run_defect(context, context.checked, "sound_device_memory", &result);
  expect(error.empty() && result[0] == 63 && result[63] == 63, "sound: " + error);
}

METAL_TEST(runs_in_reversed_order) {
  setenv("ATTENTION_METAL_EMULATOR_ORDER", "reversed", 1);
  for (Device* device : {&context.checked, &context.unchecked}) {
    std::vector<float> result;
    const std::string error = run_defect(context, *device, "sound", &result);
    expect(error.empty() && result[0] == 2048 + 64 && result[63] == 2048 + 65 + 1 + 64, "sound: " + error);
    run_defect(context, *device, "order", &result);
    expect(result[0] == 63 && result[63] == 0, "threads in reversed order");
  }
  unsetenv("ATTENTION_METAL_EMULATOR_ORDER");
  std::vector<float> result;
  run_defect(context, context.unchecked, "order", &result);
  expect(result[0] == 0 && result[63] == 63, "threads in order");
}

METAL_TEST(catches_faults) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expect_caught(context, *device, "overflows_its_stack", {"the stack of a thread overflows"});
    expect(run_defect(context, *device, "sound").empty(), "a sound shader after it");
  }
  expect_caught(context, context.unchecked, "write_far", {"an access "});
}

METAL_TEST(catches_divergence) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expect_caught(context, *device, "divergent_barrier", {"diverged: ", "threadgroup_barrier (defects.metal:43)"});
    expect_caught(context, *device, "divergent_branches", {"threadgroup_barrier (defects.metal:50)", "threadgroup_barrier (defects.metal:53)"});
    expect_caught(context, *device, "barrier_after_return", {"not reached by all threads"});
    expect_caught(context, *device, "divergent_simd_sum", {"simd_sum (defects.metal:67)", "threadgroup_barrier (defects.metal:69)"});
  }
}

METAL_TEST(catches_too_much_threadgroup_memory) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expect_caught(context, *device, "oversized_array", {"more than 32768"});
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
  expect_caught(context, device, "write_behind_buffer",
               {"thread (63, 0, 0)", "writes 4 bytes, 0 bytes past the end of buffer 0, whose length is 256"});
  expect_caught(context, device, "read_before_buffer", {"thread (0, 0, 0)", "reads 4 bytes", "before the start of buffer 0"});
  expect_caught(context, device, "write_far", {"thread (1, 0, 0)", "writes 4 bytes"});
  expect_caught(context, device, "behind_threadgroup_array", {"thread (63, 0, 0)", "outside the arrays in threadgroup memory"});
  expect_caught(context, device, "behind_threadgroup_argument", {"thread (63, 0, 0)", "outside the arrays in threadgroup memory"});
}

METAL_TEST(catches_uninitialised_reads) {
  Device& device = context.checked;
  expect_caught(context, device, "uninitialised", {"thread (5, 0, 0)", "uninitialised: reads 4 bytes"});
  expect_caught(context, device, "uninitialised_sum", {"thread (0, 0, 0)", "uninitialised: reads 4 bytes"});
  expect_caught(context, device, "uninitialised_half4", {"thread (63, 0, 0)", "uninitialised: reads 8 bytes"});
  std::vector<float> result;
  expect(run_defect(context, context.unchecked, "uninitialised", &result).empty(), "unchecked");
  expect(result[5] != result[5] && result[4] == 1, "unwritten threadgroup memory reads as NaN where it is not checked");
}

METAL_TEST(leaves_sound_shaders_alone) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    std::vector<float> result;
    std::string error = run_defect(context, *device, "sound", &result);
    expect(error.empty(), error);
    // The sum over a simdgroup of (i ^ 1) + (63 - i) + 1, for the second one its maximum and 1, and the count.
    expect(result[0] == 2048 + 64 && result[63] == 2048 + 65 + 1 + 64, "sound");
    error = run_defect(context, *device, "early_return", &result);
    expect(error.empty(), error);
    expect(result[0] == 32 && result[32] == 16 && result[47] == 16 && result[48] == 0, "simd_sum over the threads that stayed");
  }
}

METAL_TEST(recovers_after_an_error) {
  for (Device* device : {&context.checked, &context.unchecked}) {
    expect(!run_defect(context, *device, "divergent_barrier").empty(), "the defect");
    expect(run_defect(context, *device, "sound").empty(), "the sound shader after it");
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
