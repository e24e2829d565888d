#include "common/operation.h"
#include "elementwise/binary.cuh"
#include "elementwise/elementwise.h"

namespace attention {

struct BinaryParams {
  Operand a;
  Operand b;
  Operand output;  // contiguous
  BinaryOperation operation;
  int rank;
  Axes shape;      // collapsed
  Axes a_strides;  // in elements; 0 for a broadcast axis
  Axes b_strides;
};

namespace {

/// Whether packs of the operand along the last axis are contiguous or broadcast.
bool has_packs(const Walk<2>& walk, int operand) {
  const int64_t stride = walk.strides[operand][0];
  return stride == 0 || (stride == 1 && is_packed(walk, operand, pack_elements));
}

}  // namespace

/// Applies a function to every pair of elements. Operands are broadcast by strides.
void binary(const LaunchContext& context, const BinaryParams& params) {
  if (size_of(params.rank, params.shape) == 0) return;
  const auto walk = make_walk<2>(params.rank, params.shape, {params.a_strides, params.b_strides});
  const bool in_rows = walk.rank <= 1 || walk.shape[0] % pack_elements == 0;
  const bool in_packs = in_rows && has_packs(walk, 0) && has_packs(walk, 1);
  with_compute_type(is_float(params.a.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, in_packs ? binary_packs_kernel<Value> : binary_elements_kernel<Value>,
           elementwise_grid(walk.size, pack_elements), params.operation, params.a.data, params.a.type, params.b.data,
           params.b.type, params.output.data, params.output.type, walk);
  });
}

ATTENTION_OPERATION(binary, BinaryParams, a, b, output, operation, rank, shape, a_strides, b_strides)

}  // namespace attention
