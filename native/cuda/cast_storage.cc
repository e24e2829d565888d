#include "movement/convert_elements.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("castStorage", [](const LaunchContext& context, Arguments& arguments) {
  const Operand x = arguments.tensor();
  const Operand output = arguments.tensor();
  convert_elements(context, x, output, arguments.integer());
});

}  // namespace
}  // namespace attention::cuda
