// Runs the kernel of docs/adding-an-op.md on the emulator.
#include <cmath>
#include <cstdio>

#include "common/convert.cuh"
#include "elementwise/squared_relu.cu"

using namespace attention;

template <typename T>
bool is_right(const LaunchContext& context, ElementType type, int64_t size) {
  T* x = nullptr;
  T* output = nullptr;
  cudaMalloc(&x, size * sizeof(T));
  cudaMalloc(&output, size * sizeof(T));
  for (int64_t i = 0; i < size; i++) x[i] = from_float<T>(float(i % 5 - 2));
  squared_relu(context, {.x = {x, type}, .output = {output, type}, .size = size});
  bool right = true;
  for (int64_t i = 0; i < size; i++) right = right && to_float(output[i]) == std::pow(std::fmax(i % 5 - 2, 0), 2);
  cudaFree(x);
  cudaFree(output);
  return right;
}

int main() {
  LaunchContext context;
  context.device = {0, 90, 8, 227 * 1024, 50 << 20};
  for (int64_t size : {0, 1, 7, 8, 2047, 2048, 2049, 4096}) {
    if (is_right<float>(context, ElementType::float32, size) && is_right<float16>(context, ElementType::float16, size) &&
        is_right<bfloat16>(context, ElementType::bfloat16, size)) {
      continue;
    }
    std::printf("squared_relu: wrong for %d elements\n", int(size));
    return 1;
  }
  std::printf("squared_relu: right for every size\n");
}
