#include "common/operation.h"
#include "elementwise/elementwise.h"
#include "elementwise/select.cuh"

namespace attention {

struct SelectParams {
  Operand condition;  // [size / row_length] bool
  Operand t;          // [size]
  Operand e;          // [size]
  Operand output;     // [size]
  int64_t size;
  int64_t row_length;  // elements per condition
};

/// Computes condition ? t : e.
void select(const LaunchContext& context, const SelectParams& params) {
  if (params.size == 0) return;
  expect_positive("rowLength", params.row_length);
  with_compute_type(is_float(params.t.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, select_kernel<Value>, elementwise_grid(params.size, pack_elements), params.condition.as<uint8_t>(),
           params.t.data, params.t.type, params.e.data, params.e.type, params.output.data, params.output.type,
           params.size, Divisor(params.row_length, params.size));
  });
}

ATTENTION_OPERATION(select, SelectParams, condition, t, e, output, size, row_length)

}  // namespace attention
