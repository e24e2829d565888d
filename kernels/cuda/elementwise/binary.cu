#include "elementwise/binary.h"

#include "elementwise/binary.cuh"
#include "elementwise/elementwise.h"

namespace attention {
namespace {

/// Whether the operand can be read in packs along the last axis.
bool has_packs(const Walk<2>& walk, int operand) {
  const int64_t stride = walk.strides[operand][0];
  return stride == 0 || (stride == 1 && is_packed(walk, operand, pack_elements));
}

}  // namespace

void binary(const LaunchContext& context, const BinaryParams& params) {
  if (size_of(params.shape) == 0) return;
  const auto walk = make_walk<2>(params.shape, {params.a_strides, params.b_strides});
  const bool in_rows = walk.rank <= 1 || walk.shape[0] % pack_elements == 0;
  const bool in_packs = in_rows && has_packs(walk, 0) && has_packs(walk, 1);
  with_compute_type(is_float(params.a.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, in_packs ? binary_packs_kernel<Value> : binary_elements_kernel<Value>,
           elementwise_grid(walk.size, pack_elements), params.operation, params.a.data, params.a.type, params.b.data,
           params.b.type, params.output.data, params.output.type, walk);
  });
}

}  // namespace attention
