#include "reduction/cumulate.h"

#include "reduction/cumulate.cuh"
#include "elementwise/elementwise.h"

namespace attention {

void cumulate(const LaunchContext& context, const CumulateParams& params) {
  if (params.rows == 0 || params.length == 0) return;
  const int threads = row_threads(params.length, cumulate_elements, 1024);
  with_compute_type(is_float(params.x.type), [&](auto tag) {
    using Value = typename decltype(tag)::type;
    launch(context, cumulate_kernel<Value>, row_grid(params.rows, threads), params.x.data, params.x.type,
           params.output.data, params.output.type, params.rows, params.length, params.product, params.exclusive,
           params.reversed);
  });
}

ATTENTION_OPERATION(cumulate, CumulateParams, x, output, rows, length, product, exclusive, reversed)

}  // namespace attention
