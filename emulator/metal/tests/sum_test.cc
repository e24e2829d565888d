// Templates, function constants, parameters and simdgroup functions together.

#include "harness.h"

namespace attention::metal::tests {

struct Params {
  std::uint32_t columns;
  float scale;
};

static float sum_of_row_1(Context& context, Device& device, const FunctionConstants& constants) {
  std::vector<float> x(3 * 1000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
  const auto output = device.make_buffer(3 * sizeof(float));
  Dispatch dispatch;
  dispatch.buffers = {{buffer_of(device, x)}, {output}};
  dispatch.parameters = bytes_of(Params{1000, 0.5f});
  dispatch.threadgroups = {3, 1, 1};
  dispatch.threads_per_threadgroup = {128, 1, 1};
  const std::string error = run(context, device, "sum", "sum_float", dispatch, constants);
  expect(error.empty(), error);
  return values_of<float>(*output)[1];
}

METAL_TEST(sum_of_rows) {
  float expected = 0;
  for (int i = 1000; i < 2000; ++i) expected += static_cast<float>(i % 7);
  for (Device* device : {&context.unchecked, &context.checked}) {
    expect(sum_of_row_1(context, *device, {}) == expected / 2, "sum");
    expect(sum_of_row_1(context, *device, {{"doubled", true}}) == expected, "doubled");
    expect(sum_of_row_1(context, *device, {{"doubled", true}, {"shift", std::int64_t{3}}}) == expected + 1.5f, "shifted");
    expect(sum_of_row_1(context, *device, {}) == expected / 2, "sum again");
  }
}

}  // namespace attention::metal::tests
