#include "reduction/softmax.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("softmax", [](const LaunchContext& context, Arguments& arguments) {
  softmax(context, {
                       .x = arguments.tensor(),
                       .output = arguments.tensor(),
                       .rows = arguments.integer(),
                       .length = arguments.integer(),
                   });
});

}  // namespace
}  // namespace attention::cuda
