#include "elementwise/unary.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("unary", [](const LaunchContext& context, Arguments& arguments) {
  unary(context, {
                     .operation = arguments.integer32(),
                     .x = arguments.tensor(),
                     .output = arguments.tensor(),
                     .size = arguments.integer(),
                     .alpha = arguments.number(),
                     .beta = arguments.number(),
                 });
});

}  // namespace
}  // namespace attention::cuda
