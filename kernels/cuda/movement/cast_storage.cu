#include "common/operation.h"
#include "movement/convert_elements.h"

namespace attention {

struct CastStorageParams {
  Operand x;
  Operand output;
  int64_t size;
};

/// Converts the elements of x to the type of the output, rounded to nearest even.
void cast_storage(const LaunchContext& context, const CastStorageParams& params) {
  convert_elements(context, params.x, params.output, params.size);
}

ATTENTION_OPERATION(cast_storage, CastStorageParams, x, output, size)

}  // namespace attention
