#include <algorithm>

#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "reduction/top_k.cuh"

namespace attention {

struct TopKParams {
  Operand x;                  // [rows, length]
  Operand values;             // [rows, k] like x
  TypedOperand<int> indices;  // [rows, k] int32
  int64_t rows;
  int64_t length;
  int k;  // at most top_k_most
};

namespace {

constexpr int top_k_most = 4096;
constexpr int short_row = 512;  // sorted as a whole

int power_of_two(int64_t least) {
  int power = 2;
  while (power < least) power *= 2;
  return power;
}

}  // namespace

/// Finds the k largest elements of each row in descending order; of equal ones, the first comes first.
void top_k(const LaunchContext& context, const TopKParams& params) {
  if (params.rows == 0 || params.k == 0) return;
  expect_size("k", params.k, 1, std::min<int64_t>(params.length, top_k_most));
  if (params.length > INT32_MAX) throw DeviceError("ERR_RANGE", "positions in rows this long do not fit in int32");
  const int capacity = power_of_two(params.length <= short_row ? params.length : params.k);
  const int threads = row_threads(params.length, 4, 1024);
  launch(context, top_k_kernel,
         {.blocks = params.rows, .threads = unsigned(threads), .shared_bytes = capacity * sizeof(uint64_t)},
         params.x.data, params.x.type, params.values.data, params.indices, params.length, params.k, capacity);
}

ATTENTION_OPERATION(top_k, TopKParams, x, values, indices, rows, length, k)

}  // namespace attention
