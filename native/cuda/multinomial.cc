#include "sampling/multinomial.h"

#include "binding.h"

namespace attention::cuda {
namespace {

const Binding binding("multinomial", [](const LaunchContext& context, Arguments& arguments) {
  multinomial(context, {
                           .logits = arguments.tensor(),
                           .output = arguments.tensor(),
                           .rows = arguments.integer(),
                           .events = arguments.integer(),
                           .samples = arguments.integer(),
                           .normalized = arguments.flag(),
                           .key0 = uint32_t(arguments.integer()),
                           .key1 = uint32_t(arguments.integer()),
                       });
});

}  // namespace
}  // namespace attention::cuda
