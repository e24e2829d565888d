#include "movement/convert_elements.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("assignStorage", [](const LaunchContext& context, Arguments& arguments) {
  const Operand source = arguments.tensor();
  const Operand destination = arguments.tensor();
  convert_elements(context, source, destination, arguments.integer());
});

}  // namespace
}  // namespace attention::cuda
