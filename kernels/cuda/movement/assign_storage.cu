#include "common/operation.h"
#include "movement/convert_elements.h"

namespace attention {

struct AssignStorageParams {
  Operand source;
  Operand destination;
  int64_t size;
};

/// Overwrites the destination with the elements of the source, converted to its type and rounded to nearest even.
void assign_storage(const LaunchContext& context, const AssignStorageParams& params) {
  convert_elements(context, params.source, params.destination, params.size);
}

ATTENTION_OPERATION(assign_storage, AssignStorageParams, source, destination, size)

}  // namespace attention
